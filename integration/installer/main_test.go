package installer_test

import (
	"os"
	"testing"

	"opkssh/integration/endtoend"
)

func TestMain(m *testing.M) {
	code := m.Run()
	endtoend.RemovePrograms()
	os.Exit(code)
}
