// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

// ofTools are mistakes of what people run to work on the operator.
var ofTools = []mutant{
	{
		name:    "unchecked-download",
		pattern: "a downloaded program is run unverified",
		edits:   []edit{{"hack/controlplane/download.go", `!bytes.Equal(got, want)`, `len(got) != len(want)`}},
		guards:  []guard{{folder: "hack/controlplane", run: "TestWhereTheProgramsComeFrom"}},
	},
	{
		name:    "download-under-its-own-name",
		pattern: "an interrupted download looks finished",
		edits:   []edit{{"hack/controlplane/main.go", `os.CreateTemp(p.folder, "."+name+".*")`, `os.Create(filepath.Join(p.folder, name))`}},
		guards:  []guard{{folder: "hack/controlplane", run: "TestAnInterruptedDownload"}},
	},
}
