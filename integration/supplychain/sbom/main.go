// Command sbom writes a software bill of materials beside each program that it is given: PROGRAM.cdx.json, in CycloneDX. It goes by what
// the Go linker has put into the program, and the same program gives the same bytes.
package main

import (
	"bytes"
	"fmt"
	"os"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

func main() {
	if len(os.Args) == 1 {
		fmt.Fprintln(os.Stderr, "sbom: expected programs, got no argument")
		os.Exit(2)
	}
	for _, program := range os.Args[1:] {
		if err := write(program); err != nil {
			fmt.Fprintln(os.Stderr, "sbom:", err)
			os.Exit(1)
		}
	}
}

func write(program string) error {
	bom, err := billOf(program)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := cdx.NewBOMEncoder(&out, cdx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, cdx.SpecVersion1_6); err != nil {
		return err
	}
	return os.WriteFile(program+".cdx.json", out.Bytes(), 0o644)
}
