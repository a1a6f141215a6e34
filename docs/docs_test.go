// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package docs_test holds the documents to the code that they describe.
package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
)

const (
	readme          = "../README.md"
	troubleshooting = "troubleshooting.md"
	spec            = "spec/edgeregistry.md"
)

// constant is one string constant of a Go file.
type constant struct {
	name, value, doc string
}

func constants(t *testing.T, file string) []constant {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var found []constant
	ast.Inspect(parsed, func(node ast.Node) bool {
		value, ok := node.(*ast.ValueSpec)
		if !ok || len(value.Values) != 1 {
			return true
		}
		if literal, ok := value.Values[0].(*ast.BasicLit); ok && literal.Kind == token.STRING {
			text, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, constant{value.Names[0].Name, text, value.Doc.Text()})
		}
		return true
	})
	if len(found) == 0 {
		t.Fatalf("%s has no string constants", file)
	}
	return found
}

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// documents are the Markdown files that are checked.
func documents(t *testing.T) []string {
	t.Helper()
	files := []string{readme, "../CHANGELOG.md"}
	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".md") {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

var fence = regexp.MustCompile("(?ms)^ *```([a-z]*)\n(.*?)^ *```$")

// blocks are the fenced blocks of a language.
func blocks(text, language string) []string {
	var found []string
	for _, match := range fence.FindAllStringSubmatch(text, -1) {
		if match[1] == language {
			found = append(found, match[2])
		}
	}
	return found
}

// inTable reports whether a row of a table has all the codes.
func inTable(text string, codes ...string) bool {
	for line := range strings.Lines(text) {
		missing := func(code string) bool { return !strings.Contains(line, "`"+code+"`") }
		if strings.HasPrefix(line, "| ") && !slices.ContainsFunc(codes, missing) {
			return true
		}
	}
	return false
}

// row reports whether a table has a row that begins with the code and holds all the words.
func row(text, code string, words ...string) bool {
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "| `"+code+"`") {
			continue
		}
		if !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(line, word) }) {
			return true
		}
	}
	return false
}

// TestEveryConditionReasonAndAnnotationIsDocumented also checks that the specification says of a
// reason what the code says: whether it waits for itself to end or for a person.
func TestEveryConditionReasonAndAnnotationIsDocumented(t *testing.T) {
	specText, advice := read(t, spec), read(t, troubleshooting)
	then := map[string]string{"(stalled)": "| stalls |", "(waiting)": "| waits |", "(Unknown)": "| waits |", "(retried)": "| is retried"}
	for _, c := range constants(t, "../api/v1alpha1/conditions.go") {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			if strings.HasSuffix(c.name, "Annotation") {
				g.Expect(strings.Contains(specText, "`"+c.value+"`")).To(BeTrue(), "the specification names %s", c.value)
				return
			}
			g.Expect(row(specText, c.value)).To(BeTrue(), "a table of the specification has a row for %s", c.value)
			for mark, words := range then {
				if strings.Contains(c.doc, mark) {
					g.Expect(inTable(read(t, "internal/testing.md"), c.value)).To(BeTrue(), "internal/testing.md says whether a test follows the advice of %s", c.value)
					g.Expect(row(specText, c.value, words)).To(BeTrue(), "the row of %s says %s", c.value, words)
					g.Expect(inTable(advice, c.value)).To(BeTrue(), "%s names %s", troubleshooting, c.value)
				}
			}
		})
	}
}

func TestEveryFieldIsDocumented(t *testing.T) {
	text := read(t, spec)
	paths := slices.Concat(
		leaves(reflect.TypeFor[edgev1.EdgeRegistrySpec](), "spec"),
		leaves(reflect.TypeFor[edgev1.EdgeRegistryStatus](), "status"),
	)
	g := NewWithT(t)
	g.Expect(len(paths)).To(BeNumerically(">", 30))
	for _, path := range paths {
		g.Expect(inTable(text, path)).To(BeTrue(), "the specification documents %s", path)
	}
}

// leaves are the paths of the fields below a type of the API. Types of other packages count as leaves.
func leaves(typ reflect.Type, path string) []string {
	switch typ.Kind() {
	case reflect.Pointer:
		return leaves(typ.Elem(), path)
	case reflect.Slice:
		if typ.Elem().PkgPath() == reflect.TypeFor[edgev1.EdgeRegistry]().PkgPath() {
			return leaves(typ.Elem(), path+"[]")
		}
	case reflect.Struct:
		if typ.PkgPath() == reflect.TypeFor[metav1.Time]().PkgPath() {
			return []string{path}
		}
		var found []string
		for i := range typ.NumField() {
			name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			found = append(found, leaves(typ.Field(i).Type, path+"."+name)...)
		}
		return found
	default:
	}
	return []string{path}
}

func TestEveryKeyOfTheSecretsIsDocumented(t *testing.T) {
	text := read(t, spec)
	for _, c := range constants(t, "../internal/handoff/handoff.go") {
		if strings.HasPrefix(c.name, "Key") {
			NewWithT(t).Expect(row(text, c.value)).To(BeTrue(), "the specification has a row for the key %s", c.value)
		}
	}
}

func TestEveryExampleOfAnEdgeRegistryDecodesStrictly(t *testing.T) {
	examples := 0
	for _, file := range documents(t) {
		for _, block := range blocks(read(t, file), "yaml") {
			for document := range strings.SplitSeq(block, "\n---\n") {
				examples += decode(t, file, document)
			}
		}
	}
	NewWithT(t).Expect(examples).To(BeNumerically(">", 2))
}

// decode returns 1 for a document that is an EdgeRegistry.
func decode(t *testing.T, file, document string) int {
	t.Helper()
	g := NewWithT(t)
	var kind metav1.TypeMeta
	g.Expect(yaml.Unmarshal([]byte(document), &kind)).To(Succeed(), "%s:\n%s", file, document)
	if kind.Kind != "EdgeRegistry" {
		return 0
	}
	var edge edgev1.EdgeRegistry
	g.Expect(yaml.UnmarshalStrict([]byte(document), &edge)).To(Succeed(), "%s:\n%s", file, document)
	g.Expect(edge.APIVersion).To(Equal(edgev1.GroupVersion.String()), file)
	return 1
}

var (
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	noSlug  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// slugs are the anchors that a forge makes of a document's headings.
func slugs(text string) []string {
	var found []string
	for _, match := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		slug := noSlug.ReplaceAllString(strings.ToLower(match[1]), "")
		found = append(found, strings.ReplaceAll(slug, " ", "-"))
	}
	return found
}

var (
	codeSpan   = regexp.MustCompile("`[^`\n]+`")
	makeCall   = regexp.MustCompile(`\bmake((?: [a-z][a-z-]*)+)`)
	makeTarget = regexp.MustCompile(`(?m)^([a-z][a-z-]*):`)
)

func TestEveryMakeTargetExists(t *testing.T) {
	var targets []string
	for _, match := range makeTarget.FindAllStringSubmatch(read(t, "../Makefile"), -1) {
		targets = append(targets, match[1])
	}
	calls := 0
	for _, file := range documents(t) {
		text := read(t, file)
		code := append(blocks(text, "sh"), codeSpan.FindAllString(fence.ReplaceAllString(text, ""), -1)...)
		for _, match := range makeCall.FindAllStringSubmatch(strings.Join(code, "\n"), -1) {
			calls++
			NewWithT(t).Expect(targets).To(ContainElements(strings.Fields(match[1])), "%s: %s", file, match[0])
		}
	}
	NewWithT(t).Expect(calls).To(BeNumerically(">", 5))
}

func TestEveryShellExampleIsWellFormed(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh")
	}
	for _, file := range documents(t) {
		for _, block := range blocks(read(t, file), "sh") {
			output, err := exec.CommandContext(t.Context(), shell, "-n", "-c", block).CombinedOutput()
			NewWithT(t).Expect(err).NotTo(HaveOccurred(), "%s:\n%s\n%s", file, block, output)
		}
	}
}

// TestTheReadmeIsShort: a person reads it in three minutes.
func TestTheReadmeIsShort(t *testing.T) {
	g := NewWithT(t)
	text := read(t, readme)
	g.Expect(strings.Count(text, "\n")).To(BeNumerically("<=", 120), "lines")
	g.Expect(len(strings.Fields(text))).To(BeNumerically("<=", 1200), "words")
}

func TestTheDocumentsShowTheColumnsOfGet(t *testing.T) {
	var crd struct {
		Spec struct {
			Versions []struct {
				AdditionalPrinterColumns []struct {
					Name     string `json:"name"`
					Priority int    `json:"priority"`
				} `json:"additionalPrinterColumns"`
			} `json:"versions"`
		} `json:"spec"`
	}
	g := NewWithT(t)
	manifest := read(t, "../config/crd/bases/edge.open-horizon.io_edgeregistries.yaml")
	g.Expect(yaml.Unmarshal([]byte(manifest), &crd)).To(Succeed())
	normal, wide := "NAME", "NAME"
	for _, column := range crd.Spec.Versions[0].AdditionalPrinterColumns {
		title := ` +` + strings.ToUpper(column.Name)
		wide += title
		if column.Priority == 0 {
			normal += title
		}
	}
	for document, header := range map[string]string{readme: normal, troubleshooting: wide} {
		shown := regexp.MustCompile("(?m)^" + header + "$").MatchString(read(t, document))
		g.Expect(shown).To(BeTrue(), "%s shows %s", document, header)
	}
}

var shownEvent = regexp.MustCompile(`(?m)^  (?:Normal|Warning) +(\w+) +\d+\w+ +edge-registry-operator `)

func TestEveryEventThatIsShownHasAReasonOfOurs(t *testing.T) {
	g := NewWithT(t)
	var reasons []string
	for _, c := range constants(t, "../api/v1alpha1/conditions.go") {
		if strings.HasPrefix(c.name, "Reason") {
			reasons = append(reasons, c.value)
		}
	}
	shown := 0
	for _, file := range documents(t) {
		for _, match := range shownEvent.FindAllStringSubmatch(read(t, file), -1) {
			shown++
			g.Expect(reasons).To(ContainElement(match[1]), "%s shows an event", file)
		}
	}
	g.Expect(shown).To(BeNumerically(">", 3))
}

var (
	namedTest   = regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w+)`|-fuzz=(Fuzz\\w+)")
	definedTest = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
)

func TestEveryTestThatIsNamedExists(t *testing.T) {
	var defined []string
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != ".." && (entry.Name() == "bin" || strings.HasPrefix(entry.Name(), ".")):
			return filepath.SkipDir
		case strings.HasSuffix(path, "_test.go"):
			for _, match := range definedTest.FindAllStringSubmatch(read(t, path), -1) {
				defined = append(defined, match[1])
			}
		}
		return nil
	})
	g := NewWithT(t)
	g.Expect(err).NotTo(HaveOccurred())
	named := 0
	for _, file := range documents(t) {
		for _, match := range namedTest.FindAllStringSubmatch(read(t, file), -1) {
			named++
			g.Expect(slices.Contains(defined, match[1]+match[2])).To(BeTrue(), "%s names the test %s", file, match[1]+match[2])
		}
	}
	g.Expect(named).To(BeNumerically(">", 5))
}
