// Package sim plays WeChat Pay: the v3 API of direct merchants and partners with signed answers, and encrypted,
// signed callbacks with WeChat's retry schedule. It checks what WeChat checks and refuses with WeChat's codes and
// texts, so a client that works against it unchanged has its signatures, bodies and error handling right.
//
// It is WeChat's side, written apart from any client: it imports neither plugins/wechat nor an SDK, because it
// is there to check them.
//
// In a test:
//
//	s := sim.New(t)
//	m := s.Merchant("1900000001") // keys, certificate serial, APIv3 key, app ids
//	// … point the client at s.BaseURL(), then play the payer:
//	_, err := s.Pay(sim.Pay{OutTradeNo: "…", OpenID: m.Apps[0].Users[0].OpenID})
//
// Time is simulated: it runs with the machine's clock until it is moved (Advance) or sped up (SetSpeed), and
// everything that takes WeChat time (callback retries, refunds, expiry) follows it. Signatures do not: SDKs
// read the machine's clock, so the five-minute window, Date and Wechatpay-Timestamp stay on it.
//
// Amounts are int64 fen everywhere. All methods may be called by many goroutines.
package sim
