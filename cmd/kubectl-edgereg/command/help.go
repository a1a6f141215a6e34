// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package command

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
