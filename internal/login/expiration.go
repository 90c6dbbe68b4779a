package login

import (
	"encoding/json"
	"time"

	"opkssh/pkg/pktoken"
)

// TokenExpires is until when the newest ID token of a PK token is good (`exp`): the refreshed one, if there is one.
// It reads the token without verifying it; a claim that is no number is the zero time.
func TokenExpires(token *pktoken.Token) time.Time {
	claims := token.UnverifiedRefreshedClaims()
	if claims == nil {
		claims = token.UnverifiedClaims()
	}
	return unixSeconds(claims["exp"])
}

// maxUnixTime is the end of the year 9999.
const maxUnixTime = 253402300799

func unixSeconds(claim any) time.Time {
	number, _ := claim.(json.Number)
	seconds, err := number.Float64() // 1e9 and 1000000000.0 are integers too
	if err != nil || seconds < 0 || seconds > maxUnixTime {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0)
}
