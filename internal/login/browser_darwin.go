package login

func (Browser) systemCommands() [][]string { return [][]string{{"/usr/bin/open"}} }
