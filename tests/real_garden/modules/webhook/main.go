// The validating webhook of the registry-cache extension alone, as its admission component serves it.
//
// Usage: registry-cache-webhook KUBECONFIG HOST:PORT CERTIFICATE KEY
package main

import (
	"fmt"
	"net/http"
	"os"

	"github.com/gardener/gardener-extension-registry-cache/pkg/admission/validator/cache"
	registryinstall "github.com/gardener/gardener-extension-registry-cache/pkg/apis/registry/install"
	gardencoreinstall "github.com/gardener/gardener/pkg/apis/core/install"
	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

func main() {
	log.SetLogger(logr.Discard())
	config, err := clientcmd.BuildConfigFromFlags("", os.Args[1])
	must(err)
	scheme := runtime.NewScheme()
	must(corev1.AddToScheme(scheme))
	gardencoreinstall.Install(scheme)
	registryinstall.Install(scheme)
	host, err := manager.New(config, manager.Options{Scheme: scheme, Metrics: metricsserver.Options{BindAddress: "0"}})
	must(err)
	validator, err := cache.New(host)
	must(err)
	doors := http.NewServeMux()
	doors.Handle("/webhooks/registry-cache", validator.Webhook)
	doors.HandleFunc("/healthz", func(answer http.ResponseWriter, _ *http.Request) { answer.WriteHeader(http.StatusOK) })
	must(http.ListenAndServeTLS(os.Args[2], os.Args[3], os.Args[4], doors))
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
