package usercli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"opkssh/internal/login"
)

// defaultConfigPath is ~/.opk/config.yml.
func defaultConfigPath() (string, error) {
	home, err := os.UserHomeDir()
	return filepath.Join(home, ".opk", "config.yml"), err
}

// clientConfig reads the configuration file, and lets the environment replace what it may. Only the default file may be
// missing, which means the presets.
func clientConfig(t *terminal, path string) (*login.Config, error) {
	required := path != ""
	if !required {
		var err error
		if path, err = defaultConfigPath(); err != nil {
			return nil, err
		}
	}
	var config *login.Config
	data, err := os.ReadFile(path)
	switch {
	case err == nil:
		t.detail("configuration %s", path)
		config, err = parseConfig(path, data, func(string) error { return nil })
		if wrong := (*login.ConfigError)(nil); errors.As(err, &wrong) && len(wrong.Others) > 0 {
			return nil, withHint(err, "opkssh config check "+path+" names what else is wrong there")
		}
		if err != nil {
			return nil, err
		}
	case !required && errors.Is(err, fs.ErrNotExist):
		t.detail("no configuration file %s: using the presets", path)
		config = &login.Config{Providers: login.Presets()}
	case required && errors.Is(err, fs.ErrNotExist):
		return nil, withHint(err, "--create-config writes one")
	default:
		return nil, err
	}
	if list := os.Getenv("OPKSSH_PROVIDERS"); list != "" {
		t.detail("providers from OPKSSH_PROVIDERS")
		if config.Providers, err = login.ParseProviderList(list); err != nil {
			return nil, withHint(err, "the list is the variable OPKSSH_PROVIDERS")
		}
		if !isConfigured(config, config.DefaultProvider) { // it was one of those that are replaced
			config.DefaultProvider = login.WebChooser
		}
	}
	if alias := os.Getenv("OPKSSH_DEFAULT"); alias != "" {
		t.detail("default provider %s from OPKSSH_DEFAULT", alias)
		config.DefaultProvider = alias
	}
	return config, nil
}

// parseConfig finds the files that the configuration names, and has them looked at.
func parseConfig(path string, data []byte, checkCAFile func(path string) error) (*login.Config, error) {
	config, err := login.CheckConfig(path, data, func(name string) error {
		file, err := namedFile(path, name)
		if err != nil {
			return err
		}
		return checkCAFile(file)
	})
	if err != nil {
		return nil, err
	}
	for i := range config.Providers {
		p := &config.Providers[i]
		if p.CAFile, err = namedFile(path, p.CAFile); err != nil {
			return nil, err
		}
	}
	return config, nil
}

// namedFile is where a file is that the configuration at path names: below home for ~/, else beside the configuration. "" is none.
func namedFile(path, name string) (string, error) {
	if below, ok := strings.CutPrefix(name, "~/"); ok {
		home, err := os.UserHomeDir()
		return filepath.Join(home, below), err
	}
	if name == "" || filepath.IsAbs(name) {
		return name, nil
	}
	return filepath.Join(filepath.Dir(path), name), nil
}

// createConfig writes the commented file, and never over another.
func createConfig(t *terminal, path string) error {
	if path == "" {
		var err error
		if path, err = defaultConfigPath(); err != nil {
			return err
		}
		if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return withHint(err, "the file stays as it is: edit it, or remove it first")
	}
	if err != nil {
		return err
	}
	_, err = file.Write(login.DefaultConfig())
	if err = errors.Join(err, file.Close()); err != nil {
		_ = os.Remove(path)
		return err
	}
	t.note("wrote %s", path)
	return nil
}
