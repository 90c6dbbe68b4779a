package hostcli

import (
	"os"
	"path/filepath"
	"testing"
)

// A line that another login is writing has no end either, and grows.
func TestEndsInPart(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	write := func(text string) {
		if _, err := file.WriteString(text); err != nil {
			t.Error(err)
		}
	}
	isPart := func() bool {
		info, err := file.Stat()
		if err != nil {
			t.Fatal(err)
		}
		return endsInPart(file, info.Size())
	}
	for _, step := range []struct {
		text string
		want bool
	}{{"", false}, {"{}\n", false}, {`{"a":`, true}, {"1}\n", false}, {`{"a":`, true}} {
		write(step.text)
		if got := isPart(); got != step.want {
			t.Errorf("after %q: expected %v", step.text, step.want)
		}
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				write("1")
			}
		}
	}()
	if isPart() {
		t.Error("while it grows: expected false")
	}
	close(stop)
	<-stopped
}
