// Go_client prints the exported declarations of the package in each folder, sorted, one a line.
//
//	go run tests/surface/surface_listings/go_client.go clients/go
package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	log.SetFlags(0)
	var lines []string
	for _, folder := range os.Args[1:] {
		paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil {
			log.Fatal(err)
		}
		for _, path := range paths {
			if !strings.HasSuffix(path, "_test.go") {
				lines = append(lines, exported(path)...)
			}
		}
	}
	slices.Sort(lines)
	fmt.Println(strings.Join(lines, "\n"))
}

// exported prints each exported declaration of a file.
func exported(path string) []string {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		log.Fatal(err)
	}
	var lines []string
	for _, declaration := range file.Decls {
		switch d := declaration.(type) {
		case *ast.FuncDecl:
			lines = append(lines, function(d)...)
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				lines = append(lines, specified(d.Tok, spec)...)
			}
		}
	}
	return lines
}

func function(d *ast.FuncDecl) []string {
	receiver := ""
	if d.Recv != nil {
		kind := types.ExprString(d.Recv.List[0].Type)
		if !ast.IsExported(strings.TrimPrefix(kind, "*")) {
			return nil
		}
		receiver = "(" + kind + ") "
	}
	if !d.Name.IsExported() {
		return nil
	}
	signature := strings.TrimPrefix(types.ExprString(d.Type), "func")
	return []string{"func " + receiver + d.Name.Name + parameters(d.Type.TypeParams) + signature}
}

func specified(keyword token.Token, spec ast.Spec) (lines []string) {
	switch s := spec.(type) {
	case *ast.ValueSpec:
		for i, name := range s.Names {
			if name.IsExported() {
				lines = append(lines, fmt.Sprintf("%v %s = %s", keyword, name.Name, types.ExprString(s.Values[i])))
			}
		}
	case *ast.TypeSpec:
		if !s.Name.IsExported() {
			return nil
		}
		name := "type " + s.Name.Name + parameters(s.TypeParams)
		if s.Assign.IsValid() {
			name += " ="
		}
		if structure, ok := s.Type.(*ast.StructType); ok {
			return []string{name + " struct" + fields(structure)}
		}
		return []string{name + " " + types.ExprString(s.Type)}
	}
	return lines
}

func fields(structure *ast.StructType) (lines string) {
	for _, field := range structure.Fields.List {
		for _, name := range field.Names {
			if name.IsExported() {
				lines += "\n    " + name.Name + " " + types.ExprString(field.Type)
			}
		}
	}
	return lines
}

// parameters prints the parameters of a generic type or function, such as [T Element].
func parameters(list *ast.FieldList) string {
	if list == nil {
		return ""
	}
	var all []string
	for _, field := range list.List {
		for _, name := range field.Names {
			all = append(all, name.Name+" "+types.ExprString(field.Type))
		}
	}
	return "[" + strings.Join(all, ", ") + "]"
}
