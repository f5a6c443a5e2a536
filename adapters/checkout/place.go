package checkout

import "strings"

// place is where a page is opened, as far as the server can tell.
type place string

const (
	officialAccount place = "official_account"
	miniProgram     place = "miniprogram"  // inside a mini program's web-view
	weChatOther     place = "wechat_other" // WeChat Work, WeChat on a desktop: they do not pay here
	browser         place = "browser"
	// someWeChat is WeChat on HarmonyOS: its user agent is the same in both, and only a script finds out.
	someWeChat place = "wechat"
)

// placeOf reads a user agent, as paybridge.js does in the page.
func placeOf(userAgent string) place {
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(strings.ToLower(userAgent), w) {
				return true
			}
		}
		return false
	}
	switch {
	case has("miniprogram"):
		return miniProgram
	case !has("micromessenger"):
		return browser
	case has("wxwork", "windowswechat", "macwechat"):
		return weChatOther
	case has("arkweb"):
		return someWeChat
	}
	return officialAccount
}
