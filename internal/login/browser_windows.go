package login

import "golang.org/x/sys/windows"

// open asks the shell itself. There is no command line in which a URL could be misread, and no console window.
func (Browser) open(url string) error {
	verb, err := windows.UTF16PtrFromString("open")
	if err != nil {
		return err
	}
	file, err := windows.UTF16PtrFromString(url)
	if err != nil {
		return err
	}
	return windows.ShellExecute(0, verb, file, nil, nil, windows.SW_SHOWNORMAL)
}
