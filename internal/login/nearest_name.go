package login

// nearestName gives the known name that a misspelled one most likely stands for, or "" if it is like none.
func nearestName(name string, known []string) string {
	best, fewest := "", 4
	if len(name) > 64 {
		return best
	}
	for _, k := range known {
		if d := editDistance(name, k); d < fewest && d < len(k) && d < len(name) {
			best, fewest = k, d
		}
	}
	return best
}

// editDistance is Levenshtein's, in bytes.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substituted := diagonal
			if a[i] != b[j] {
				substituted++
			}
			diagonal = row[j+1]
			row[j+1] = min(substituted, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
