// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package argocd_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// folder is where Argo CD's own repository would have these files.
const folder = "resource_customizations/edge.open-horizon.io/EdgeRegistry"

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(folder, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func object(t *testing.T, path string) map[string]any {
	t.Helper()
	g := NewWithT(t)
	content, err := yaml.YAMLToJSON([]byte(read(t, path)))
	g.Expect(err).NotTo(HaveOccurred(), path)
	var found unstructured.Unstructured
	g.Expect(found.UnmarshalJSON(content)).To(Succeed(), path)
	return found.Object
}

// run executes a script on an object as Argo CD does: the object is the global obj, and of Lua's
// libraries there are no more than those that Argo CD opens by default.
func run(t *testing.T, script string, obj map[string]any) map[string]any {
	t.Helper()
	g := NewWithT(t)
	vm := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer vm.Close()
	for name, open := range map[string]lua.LGFunction{lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable, lua.OsLibName: lua.OpenOs} {
		vm.Push(vm.NewFunction(open))
		vm.Push(lua.LString(name))
		vm.Call(1, 0)
	}
	// Argo CD's os has the time and nothing else.
	system := vm.NewTable()
	system.RawSetString("date", vm.GetField(vm.GetGlobal("os"), "date"))
	system.RawSetString("time", vm.GetField(vm.GetGlobal("os"), "time"))
	vm.SetGlobal("os", system)

	vm.SetGlobal("obj", toLua(vm, obj))
	g.Expect(vm.DoString(script)).To(Succeed())
	result, err := json.Marshal(fromLua(vm.Get(-1)))
	g.Expect(err).NotTo(HaveOccurred())
	var answer map[string]any
	g.Expect(json.Unmarshal(result, &answer)).To(Succeed(), "%s", result)
	return answer
}

func toLua(vm *lua.LState, value any) lua.LValue {
	switch value := value.(type) {
	case map[string]any:
		table := vm.NewTable()
		for key, each := range value {
			table.RawSetString(key, toLua(vm, each))
		}
		return table
	case []any:
		table := vm.NewTable()
		for _, each := range value {
			table.Append(toLua(vm, each))
		}
		return table
	case string:
		return lua.LString(value)
	case int64:
		return lua.LNumber(value)
	case bool:
		return lua.LBool(value)
	default:
		return lua.LNil
	}
}

func fromLua(value lua.LValue) any {
	switch value := value.(type) {
	case *lua.LTable:
		if value.Len() > 0 {
			var list []any
			value.ForEach(func(_, each lua.LValue) { list = append(list, fromLua(each)) })
			return list
		}
		object := map[string]any{}
		value.ForEach(func(key, each lua.LValue) { object[key.String()] = fromLua(each) })
		return object
	case lua.LString:
		return string(value)
	case lua.LNumber:
		return float64(value)
	case lua.LBool:
		return bool(value)
	default:
		return nil
	}
}
