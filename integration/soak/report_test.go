package soak

import "testing"

func TestWithSection(t *testing.T) {
	page := "# Load\n\nWords.\n"
	for _, step := range []struct{ name, text, want string }{
		{"one", "1\n", "# Load\n\nWords.\n\n## one\n\n1\n"},
		{"two", "2\n", "# Load\n\nWords.\n\n## one\n\n1\n\n## two\n\n2\n"},
		{"one", "3\n", "# Load\n\nWords.\n\n## one\n\n3\n\n## two\n\n2\n"},
		{"two", "4\n", "# Load\n\nWords.\n\n## one\n\n3\n\n## two\n\n4\n"},
	} {
		if page = withSection(page, step.name, step.text); page != step.want {
			t.Fatalf("expected %q, got %q", step.want, page)
		}
	}
}
