package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path"
	"runtime/debug"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// billOf lists what a program was made from. It has no serial number and no time, which would differ from one run to the next.
func billOf(program string) (*cdx.BOM, error) {
	data, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	info, err := buildinfo.Read(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s: expected a program that Go has built: %w", program, err)
	}
	components := []cdx.Component{library("std", strings.TrimPrefix(info.GoVersion, "go"))}
	for _, module := range info.Deps {
		if module.Replace != nil {
			return nil, fmt.Errorf("%s: %s is replaced by %s, which nobody else can fetch", program, module.Path, module.Replace.Path)
		}
		component := library(module.Path, module.Version)
		sum, err := treeHash(module.Sum)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", program, module.Path, err)
		}
		component.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: sum}}
		components = append(components, component)
	}
	digest := sha256.Sum256(data)
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Component: &cdx.Component{
		BOMRef:     info.Path,
		Type:       cdx.ComponentTypeApplication,
		Name:       path.Base(info.Path),
		Version:    info.Main.Version,
		Hashes:     &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(digest[:])}},
		Properties: properties(info.Settings),
	}}
	bom.Components = &components
	return bom, nil
}

func library(module, version string) cdx.Component {
	url := "pkg:golang/" + module + "@" + version
	return cdx.Component{BOMRef: url, Type: cdx.ComponentTypeLibrary, Name: module, Version: version, PackageURL: url}
}

// treeHash is what go.sum has of a module, "h1:" and base64, as CycloneDX writes hashes.
func treeHash(sum string) (string, error) {
	encoded, ok := strings.CutPrefix(sum, "h1:")
	hash, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(hash) != sha256.Size {
		return "", fmt.Errorf("expected a checksum like h1:…, got %q", sum)
	}
	return hex.EncodeToString(hash), nil
}

// properties are the settings of the build: the commit, the system, the flags.
func properties(settings []debug.BuildSetting) *[]cdx.Property {
	list := make([]cdx.Property, len(settings))
	for i, s := range settings {
		list[i] = cdx.Property{Name: "go:build:" + s.Key, Value: s.Value}
	}
	return &list
}
