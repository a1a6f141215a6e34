// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

import "github.com/spf13/cobra"

// manual is the help of each verb, in the order of a manual page.
const manual = `NAME
  {{.CommandPath}} - {{.Short}}

SYNOPSIS
  {{if .HasAvailableSubCommands}}{{.CommandPath}} VERB [NAME] [OPTION...]{{else}}{{.UseLine}}{{end}}

DESCRIPTION
{{.Long | trimTrailingWhitespaces}}
{{- if .HasAvailableSubCommands}}

VERBS
{{- range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}
{{- end}}
{{- if .HasAvailableLocalFlags}}

OPTIONS
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}
{{- end}}
{{- if .HasAvailableInheritedFlags}}

OPTIONS OF ALL VERBS
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}
{{- end}}

EXIT STATUS
` + exitTable + `
EXAMPLES
{{.Example}}
`

// helpVerb is help for those who look for it among the verbs.
func helpVerb() *cobra.Command {
	return &cobra.Command{
		Use:                   "help [VERB]",
		Short:                 "shows the manual page of a verb, or this one",
		Long:                  "Shows what VERB --help shows, or without a verb what there is.",
		Example:               "  kubectl edgereg help why",
		DisableFlagsInUseLine: true,
		ValidArgsFunction: func(c *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			var verbs []cobra.Completion
			for _, verb := range c.Root().Commands() {
				if len(args) == 0 && verb.IsAvailableCommand() {
					verbs = append(verbs, cobra.CompletionWithDesc(verb.Name(), verb.Short))
				}
			}
			return verbs, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			verb, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return wrongUsage("there is no verb %q", args[0])
			}
			verb.InitDefaultHelpFlag()
			verb.InitDefaultVersionFlag()
			return verb.Help()
		},
	}
}
