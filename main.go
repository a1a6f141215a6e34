// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command manager runs the Edge Registry Operator.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"go.uber.org/zap/zapcore"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/edge-registry/edge-registry-operator/controllers"
	"github.com/edge-registry/edge-registry-operator/controllers/apiserver"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

// gcPercent is how much the heap may grow before it is collected again, unless GOGC says it. The operator
// rests most of its time: Go's own 100 would spare CPU time that it has, for memory that others want.
const gcPercent = 40

// version is set when the binary is built.
var version = "dev"

// options are the flags of the command.
type options struct {
	metricsAddr, metricsCertPath string
	metricsSecure                bool
	probeAddr                    string
	namespace                    string
	leaderElect                  bool
	lease, renew, retry          time.Duration
	concurrency                  int
	externalHosts                string
	log                          zap.Options
}

func (o *options) bind(flags *flag.FlagSet) {
	flags.StringVar(&o.metricsAddr, "metrics-bind-address", ":8443", "The address that metrics are served on; 0 turns them off.")
	flags.BoolVar(&o.metricsSecure, "metrics-secure", true, "Serve metrics over TLS, to callers that the API server authenticates and authorises for get on /metrics.")
	flags.StringVar(&o.metricsCertPath, "metrics-cert-path", "", "The folder with tls.crt and tls.key for metrics. Until they are there a self-signed certificate is used.")
	flags.StringVar(&o.probeAddr, "health-probe-bind-address", ":8081", "The address that /healthz and /readyz are served on; 0 turns them off.")
	flags.StringVar(&o.namespace, "namespace", os.Getenv("POD_NAMESPACE"), "The operator's own namespace, for its lease and for spec.trust.caBundleRef. Defaults to the environment variable POD_NAMESPACE.")
	flags.BoolVar(&o.leaderElect, "leader-elect", false, "Work only while holding the lease, so that several replicas do not work at once.")
	// The timings that OpenShift asks of its operators: a lease outlives an API server that rolls.
	flags.DurationVar(&o.lease, "leader-elect-lease-duration", 137*time.Second, "How long another replica waits before it takes over a lease that is not renewed. 270s suits a single-node cluster.")
	flags.DurationVar(&o.renew, "leader-elect-renew-deadline", 107*time.Second, "How long the leader tries to renew its lease before it stops. 240s suits a single-node cluster.")
	flags.DurationVar(&o.retry, "leader-elect-retry-period", 26*time.Second, "The time between two tries to take or renew the lease. 60s suits a single-node cluster.")
	flags.IntVar(&o.concurrency, "max-concurrent-reconciles", 4, "How many EdgeRegistries are worked on at once.")
	flags.StringVar(&o.externalHosts, "external-hosts", "", "The hosts that spec.external.host may name, with a comma between: host, host:port or *.suffix. Empty allows every host.")
	// Where in a library an error was met helps nobody who runs the operator, and hides what does.
	o.log.StacktraceLevel = zapcore.PanicLevel
	o.log.BindFlags(flags)
}

// parse reads the command line. A mistake is reported in one line, without the list of all flags.
func (o *options) parse(flags *flag.FlagSet, args []string) error {
	o.bind(flags)
	flags.Init(flags.Name(), flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		flags.SetOutput(os.Stdout)
		flags.PrintDefaults()
		return err
	case err != nil:
		return fmt.Errorf("%w; --help lists the flags", err)
	case flags.NArg() > 0:
		return fmt.Errorf("unexpected argument %q: everything is set by flags, which --help lists", flags.Arg(0))
	case o.concurrency < 1:
		return fmt.Errorf("--max-concurrent-reconciles is %d: at least 1 EdgeRegistry has to be worked on at once", o.concurrency)
	case o.leaderElect && (o.lease <= o.renew || o.renew <= o.retry):
		return fmt.Errorf("a lease of %s is renewed within %s by a try each %s: --leader-elect-lease-duration must be longer than --leader-elect-renew-deadline, and that longer than --leader-elect-retry-period",
			o.lease, o.renew, o.retry)
	}
	return nil
}

func main() {
	var o options
	switch err := o.parse(flag.CommandLine, os.Args[1:]); {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	logger := credential.WithoutBodies(zap.New(zap.UseFlagOptions(&o.log)))
	ctrl.SetLogger(logger)
	klog.SetLogger(logger)
	// With it goes the log of the standard library, where net/http reports clients that fail.
	slog.SetDefault(slog.New(logr.ToSlogHandler(logger)))
	if err := run(ctrl.SetupSignalHandler(), &o); err != nil {
		logger.WithName("setup").Error(err, "Stopped")
		os.Exit(1)
	}
}

func run(ctx context.Context, o *options) error {
	if o.namespace == "" {
		return errors.New("the operator's own namespace is unknown: set --namespace or POD_NAMESPACE")
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("find the cluster: %w; set --kubeconfig or KUBECONFIG, or run in a pod", err)
	}
	config.UserAgent = "edge-registry-operator/" + version
	controllers.ShowBuild(version)
	mgr, err := controllers.NewManager(config, managerOptions(o), &controllers.EdgeRegistryReconciler{
		Namespace:               o.namespace,
		Proxy:                   http.ProxyFromEnvironment,
		MaxConcurrentReconciles: o.concurrency,
		ExternalHosts:           strings.FieldsFunc(o.externalHosts, func(r rune) bool { return r == ',' || r == ' ' }),
	})
	if err != nil {
		return err
	}
	if err := errors.Join(mgr.AddHealthzCheck("healthz", healthz.Ping), mgr.AddReadyzCheck("readyz", healthz.Ping)); err != nil {
		return fmt.Errorf("set up the health checks: %w", err)
	}
	ctrl.Log.WithName("setup").Info("Starting", "version", version, "namespace", o.namespace)
	return mgr.Start(ctx)
}

func managerOptions(o *options) ctrl.Options {
	return ctrl.Options{
		Metrics:                 metricsOptions(o),
		HealthProbeBindAddress:  o.probeAddr,
		LeaderElection:          o.leaderElect,
		LeaderElectionID:        "edge-registry-operator",
		LeaderElectionNamespace: o.namespace,
		LeaseDuration:           &o.lease,
		RenewDeadline:           &o.renew,
		RetryPeriod:             &o.retry,
		// The process ends as soon as the manager does, so the next leader need not wait.
		LeaderElectionReleaseOnCancel: true,
	}
}

func metricsOptions(o *options) metricsserver.Options {
	metrics := metricsserver.Options{BindAddress: o.metricsAddr, SecureServing: o.metricsSecure}
	if !o.metricsSecure {
		return metrics
	}
	metrics.FilterProvider = apiserver.FilterScrapes
	metrics.TLSOpts = []func(*tls.Config){func(c *tls.Config) {
		// HTTP/1.1 alone: metrics need no more, and HTTP/2 has had its stream-reset attacks.
		c.NextProtos = []string{"http/1.1"}
		c.MinVersion = tls.VersionTLS12
		if o.metricsCertPath != "" {
			c.GetConfigForClient = servingCertificate(c, o.metricsCertPath)
		}
	}}
	return metrics
}

// servingCertificate serves each connection with the certificate that is in a folder at that time. OpenShift's service
// CA may write it only after the pod has started, and renews it later; elsewhere there is none, and the certificate that
// the server signed for itself has to do.
func servingCertificate(base *tls.Config, folder string) func(*tls.ClientHelloInfo) (*tls.Config, error) {
	return func(*tls.ClientHelloInfo) (*tls.Config, error) {
		pair, err := tls.LoadX509KeyPair(filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key"))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil //nolint:nilnil // The server's own configuration.
		}
		if err != nil {
			return nil, fmt.Errorf("read the certificate for metrics: %w", err)
		}
		config := base.Clone()
		config.Certificates, config.GetConfigForClient = []tls.Certificate{pair}, nil
		return config, nil
	}
}
