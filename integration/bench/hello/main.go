// Hello prints one line: the least that a program in Go can do.
package main

import "fmt"

func main() { fmt.Println("hello") }
