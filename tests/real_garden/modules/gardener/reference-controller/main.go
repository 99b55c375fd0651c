// Gardener's shoot reference controller alone: puts the finalizer gardener.cloud/reference-protection on what Shoots refer to.
//
// Usage: reference-controller KUBECONFIG
package main

import (
	"fmt"
	"os"

	configv1alpha1 "github.com/gardener/gardener/pkg/apis/config/controllermanager/v1alpha1"
	kubernetes "github.com/gardener/gardener/pkg/client/kubernetes"
	"github.com/gardener/gardener/pkg/controllermanager/controller/shoot/reference"
	"github.com/go-logr/logr"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/manager/signals"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

func main() {
	log.SetLogger(logr.Discard())
	config, err := clientcmd.BuildConfigFromFlags("", os.Args[1])
	must(err)
	running, err := manager.New(config, manager.Options{
		Scheme:  kubernetes.GardenScheme,
		Metrics: metricsserver.Options{BindAddress: "0"},
	})
	must(err)
	syncs := 2
	must(reference.AddToManager(running, configv1alpha1.ShootReferenceControllerConfiguration{ConcurrentSyncs: &syncs}))
	must(running.Start(signals.SetupSignalHandler()))
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
