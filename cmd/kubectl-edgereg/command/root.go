// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/edge-registry/edge-registry-operator/cmd/kubectl-edgereg/cluster"
	"github.com/edge-registry/edge-registry-operator/cmd/kubectl-edgereg/show"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

// Plugin is what the verbs have of the machine that they run on.
type Plugin struct {
	// Version that --version prints.
	Version string
	Out     io.Writer
	Err     io.Writer
	// Terminal is true if Out is one.
	Terminal bool
	// Getenv reads the environment.
	Getenv func(string) string
	// Root is true if the user may write everywhere.
	Root bool
	// System is the operating system, by Go's name.
	System string
	// Now is the clock.
	Now func() time.Time
	// Poll is how often the operator's answer is looked for.
	Poll time.Duration

	reach reach
}

// reach is how the cluster is reached, by the flags that kubectl has for it.
type reach struct {
	kubeconfig, context, as string
	groups                  []string
	timeout                 time.Duration
}

// Run runs a command line, without the name of the program, and returns the exit status.
func (p *Plugin) Run(ctx context.Context, args []string) int {
	root := p.root() //nolint:contextcheck // cobra hands each verb the context below
	root.SetArgs(args)
	verb, err := root.ExecuteContextC(ctx)
	if err == nil {
		return ExitDone
	}
	if verb.Name() == envVerb || (!verb.HasParent() && slices.Contains(args, envVerb)) {
		// An eval of nothing succeeds, and the script would go on without a login. A flag that is not known hides the verb behind it.
		fmt.Fprintln(p.Out, "false")
	}
	usage := usageError{}
	if errors.As(err, &usage) {
		err = fmt.Errorf("%w: see `%s --help`", err, verb.CommandPath())
	}
	if !errors.Is(err, errNotReady) {
		p.say("%s", "kubectl edgereg: "+err.Error())
	}
	return exitOf(err)
}

// say writes one line to standard error, which a program that reads standard output does not see.
func (p *Plugin) say(format string, args ...any) {
	fmt.Fprintln(p.Err, show.Safe(credential.Redact(fmt.Sprintf(format, args...))))
}

func (p *Plugin) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "kubectl-edgereg",
		Short: "reads EdgeRegistries and hands over their logins",
		Long: `An EdgeRegistry is a private image registry for Open Horizon edge services, kept by the Edge Registry Operator. This plugin
shows how it is, logs this machine in, and makes nodes trust it. It uses your own rights in the cluster, and nothing else.

A token is printed by env, and by bootstrap with --login: that is what they are for. Host, prefix and CA are those of the
status of the EdgeRegistry. A Secret that says something else is not used.`,
		Example: `  kubectl edgereg status
  kubectl edgereg login factory --role publish
  kubectl edgereg bootstrap factory | ssh edge-node sudo sh`,
		Annotations:       map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl edgereg"},
		Version:           p.Version,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		Args:              cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return wrongUsage("there is no verb %q", args[0])
			}
			return c.Help()
		},
	}
	root.SetOut(p.Out)
	root.SetErr(p.Err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.SetHelpCommand(helpVerb())
	root.SetHelpTemplate(manual)
	root.SetUsageTemplate(manual)
	flags := root.PersistentFlags()
	flags.StringVar(&p.reach.kubeconfig, "kubeconfig", "", "kubeconfig `file` to use, as kubectl")
	flags.StringVar(&p.reach.context, "context", "", "`context` of the kubeconfig to use")
	flags.StringVar(&p.reach.as, "as", "", "`user` to impersonate")
	flags.StringArrayVar(&p.reach.groups, "as-group", nil, "`group` to impersonate; may be repeated")
	flags.DurationVar(&p.reach.timeout, "request-timeout", 30*time.Second, "how long one request may take")
	root.AddCommand(p.status(), p.why(), p.login(), p.env(), p.bootstrap(), p.rotate(), p.verify())
	return root
}

func (p *Plugin) connect() (*cluster.Cluster, error) {
	config, err := p.config()
	if err != nil {
		return nil, err
	}
	return cluster.Connect(config)
}

func (p *Plugin) config() (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = p.reach.kubeconfig
	overrides := &clientcmd.ConfigOverrides{CurrentContext: p.reach.context}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("find the cluster: %w", err)
	}
	if p.reach.as != "" {
		config.Impersonate = rest.ImpersonationConfig{UserName: p.reach.as, Groups: p.reach.groups}
	}
	config.Timeout = p.reach.timeout
	config.UserAgent = "kubectl-edgereg/" + p.Version
	config.WarningHandler = rest.NoWarnings{}
	return config, nil
}

// colours are wanted on a terminal, unless the user says otherwise (no-color.org).
func (p *Plugin) colours() show.Colours {
	return show.Colours{On: p.Terminal && p.Getenv("NO_COLOR") == "" && p.Getenv("TERM") != "dumb"}
}
