package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

type sources struct {
	ImportPath string
	Dir        string
	GoFiles    []string
}

// list finds the packages of some patterns, with the files that are built here.
func list(ctx context.Context, patterns []string) ([]sources, error) {
	out, err := exec.CommandContext(ctx, "go", append([]string{"list", "-json=ImportPath,Dir,GoFiles"}, patterns...)...).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return nil, err
	}
	var all []sources
	for decoder := json.NewDecoder(bytes.NewReader(out)); decoder.More(); {
		var p sources
		if err := decoder.Decode(&p); err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// mutant is a file with one change: some bytes are replaced.
type mutant struct {
	file     string
	line     int
	old, new string
	text     []byte // the whole file
}

func (m mutant) String() string {
	return fmt.Sprintf("%s:%d: %s  →  %s", m.file, m.line, oneLine(m.old), oneLine(m.new))
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func (s sources) mutants() ([]mutant, error) {
	var all []mutant
	for _, name := range s.GoFiles {
		path := filepath.Join(s.Dir, name)
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		of, err := mutantsOf(path, text)
		if err != nil {
			return nil, err
		}
		all = append(all, of...)
	}
	return all, nil
}

// mutantsOf changes one thing at a time: a condition never holds or always does, one side of && or || has no say, a bound moves by
// one, a case of a switch does nothing, a call whose result nobody wants is not made.
func mutantsOf(path string, text []byte) ([]mutant, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, text, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var all []mutant
	// Conditions stay in what replaces them, so that their variables are still used.
	change := func(node ast.Node, with string) {
		from, to := files.Position(node.Pos()), files.Position(node.End())
		old := string(text[from.Offset:to.Offset])
		m := mutant{file: path, line: from.Line, old: old, new: fmt.Sprintf(with, old)}
		m.text = slices.Concat(text[:from.Offset], []byte(m.new), text[to.Offset:])
		all = append(all, m)
	}
	ast.Inspect(file, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.IfStmt:
			change(node.Cond, "(%s) && false")
			change(node.Cond, "(%s) || true")
		case *ast.BinaryExpr:
			switch node.Op {
			case token.LAND:
				change(node.X, "((%s) || true)")
				change(node.Y, "((%s) || true)")
			case token.LOR:
				change(node.X, "((%s) && false)")
				change(node.Y, "((%s) && false)")
			case token.LSS, token.GEQ:
				change(node.Y, "(%s) + 1")
			case token.GTR, token.LEQ:
				change(node.Y, "(%s) - 1")
			}
		case *ast.CaseClause:
			if len(node.Body) > 0 {
				from, to := node.Body[0].Pos(), node.Body[len(node.Body)-1].End()
				change(span{from, to}, "if false { %s }")
			}
		case *ast.ExprStmt:
			if _, call := node.X.(*ast.CallExpr); call {
				change(node, "if false { %s }")
			}
		case *ast.ReturnStmt:
			if len(node.Results) == 1 {
				// What is returned of a comparison.
				if binary, is := node.Results[0].(*ast.BinaryExpr); is && comparison(binary.Op) {
					change(binary, "(%s) || true")
					change(binary, "(%s) && false")
				}
			}
		}
		return true
	})
	return all, nil
}

func comparison(op token.Token) bool {
	return slices.Contains([]token.Token{token.LAND, token.LOR, token.EQL, token.NEQ, token.LSS, token.LEQ, token.GTR, token.GEQ}, op)
}

type span struct{ from, to token.Pos }

func (s span) Pos() token.Pos { return s.from }
func (s span) End() token.Pos { return s.to }

type outcome int

const (
	missed outcome = iota
	notMissed
	notCompiled
)

const defaultTimeout = 2 * time.Minute

// try runs the tests with the changed file in the place of the real one, which is not touched.
func try(ctx context.Context, m mutant, suites []string, timeout time.Duration) (outcome, error) {
	folder, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return notCompiled, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	changed, overlay := filepath.Join(folder, "changed.go"), filepath.Join(folder, "overlay.json")
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {m.file: changed}})
	if err == nil {
		err = errors.Join(os.WriteFile(changed, m.text, 0o600), os.WriteFile(overlay, replace, 0o600))
	}
	if err != nil {
		return notCompiled, err
	}
	if err := exec.CommandContext(ctx, "go", "build", "-overlay", overlay, filepath.Dir(m.file)).Run(); err != nil {
		return notCompiled, nil
	}
	if _, err := test(ctx, overlay, suites, timeout); err != nil {
		return missed, nil
	}
	return notMissed, nil
}

// test stops at the first package that fails. It does without vet, which complains of conditions that never hold.
func test(ctx context.Context, overlay string, suites []string, timeout time.Duration) (printed []byte, err error) {
	for _, suite := range suites {
		cmd := exec.CommandContext(ctx, "go", "test", "-vet=off", "-failfast", "-timeout", timeout.String(), suite)
		if overlay != "" {
			// For the programs, too, that tests build and run.
			cmd.Args = slices.Insert(cmd.Args, 2, "-count=1")
			cmd.Env = append(os.Environ(), "GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -overlay="+overlay))
		}
		if printed, err = cmd.CombinedOutput(); err != nil {
			return printed, err
		}
	}
	return printed, nil
}
