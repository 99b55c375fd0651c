"""Real registry caches: Distribution as the registry-cache extension deploys it, one process per upstream of a Shoot.

`Fleet` is the Shoot's side: StatefulSets, kubelet, Services. `Uplink` is the way from there to the upstreams, over TLS. `node`
pulls as containerd does, at the cache first and at the upstream if that fails; `pulling` does so all the time and judges.
"""
