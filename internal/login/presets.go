package login

// Presets are the public clients that hosts in the field already trust, in the order in which they are offered.
func Presets() []Provider {
	google, microsoft, gitlab, hello := defaultProvider(), defaultProvider(), defaultProvider(), defaultProvider()

	google.Aliases = []string{"google"}
	google.Issuer = "https://accounts.google.com"
	google.ClientID = "206584157355-7cbe4s640tvm7naoludob4ut1emii7sf.apps.googleusercontent.com"
	// Google wants one even of installed programs, and documents that it is none.
	google.ClientSecret = "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"

	// The tenant of personal accounts.
	microsoft.Aliases = []string{"azure", "microsoft"}
	microsoft.Issuer = "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"
	microsoft.ClientID = "096ce0a3-5e72-4da8-9c86-12924b294a01"
	microsoft.Scopes = []string{"openid", "profile", "email", "offline_access"}

	gitlab.Aliases = []string{"gitlab"}
	gitlab.Issuer = "https://gitlab.com"
	gitlab.ClientID = "8d8b7024572c7fd501f64374dec6bba37096783dfcd792b3988104be08cb6923"
	gitlab.Scopes = []string{"openid", "email"}

	hello.Aliases = []string{"hello"}
	hello.Issuer = "https://issuer.hello.coop"
	hello.ClientID = "app_xejobTKEsDNSRd5vofKB2iay_2rN"
	hello.Scopes = []string{"openid", "email"}

	return []Provider{google, microsoft, gitlab, hello}
}
