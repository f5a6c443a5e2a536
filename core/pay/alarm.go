package pay

// Alarm is something that a person must see: open until acknowledged, one row for one kind and number.
type Alarm struct {
	Kind   string
	Number string // a payment, a refund, an account, an app or a provider, by its kind
	What   string // what is the matter with this one, and what to do
}

// The kinds of alarm.
const (
	AlarmPaymentDisputed  = "payment.disputed"
	AlarmPaymentAuth      = "payment.auth"
	AlarmProviderRejected = "payment.rejected"
	AlarmRefundAttention  = "refund.needs_attention"
	AlarmRefundDisputed   = "refund.disputed"
	AlarmRefundRevived    = "refund.revived"
	AlarmRefundExternal   = "refund.external"
	AlarmNotifyUnreadable = "notify.unreadable"
	AlarmNotifyUnmatched  = "notify.unmatched"
	AlarmAccountDown      = "account.down"
	AlarmClockOff         = "clock.off"
	AlarmPluginStopped    = "plugin.quarantined"
	AlarmEndpointDead     = "webhook.dead"
	AlarmEndpointRefused  = "webhook.refused"
	AlarmIdentityDivided  = "identity.divided"
	AlarmIdentityRefused  = "identity.refused"
	AlarmOrderUnfulfilled = "order.unfulfilled"
	AlarmFulfilmentStuck  = "fulfilment.stuck"
	AlarmRowsOverdue      = "rows.overdue"
	AlarmRowsDueTooLate   = "rows.due_too_late"
	AlarmStatementDiffers = "statement.differs"
	AlarmStatementMissing = "statement.missing"
)

// AlarmText is what a kind of alarm means and what to do about it, in one language.
type AlarmText struct{ Title, Remedy string }

// Words is the alarm's text for people, in English and in Chinese. Its What says what is the matter with this one.
func (a Alarm) Words() (english, chinese AlarmText) {
	w, ok := alarmWords[a.Kind]
	if !ok {
		return AlarmText{a.Kind, "See what it says below."}, AlarmText{a.Kind, "请看下面的说明。"}
	}
	return w[0], w[1]
}

var alarmWords = map[string][2]AlarmText{
	AlarmRowsOverdue: {
		{"Unfinished work is overdue", "The gateway falls behind, or nobody works. Read its log and the other alarms, run `paybridge doctor`, mend accounts and plugins that fail, or add replicas."},
		{"未完成的工作已逾期", "网关处理积压，或无人处理。请查看日志和其他告警，运行 `paybridge doctor`，修复失败的收款账户和插件，或增加副本。"},
	},
	AlarmRowsDueTooLate: {
		{"Unfinished work is due in a far future", "The clock was wrong when the due time was set. Set it right by NTP; a sync of each payment (POST /v1/payments/NUMBER/sync) looks at it now."},
		{"未完成的工作到期时间过远", "设置到期时间时时钟有误。请用 NTP 校时，并逐笔 sync（POST /v1/payments/单号/sync）。"},
	},
	AlarmStatementDiffers: {
		{"A statement and our rows differ", "See them by `paybridge reconcile differences`. What a query can settle is asked about daily; look at the others on the merchant platform, then accept them."},
		{"对账单与本地记录不一致", "用 `paybridge reconcile differences` 查看。查询能解决的会每天重试；其余请到商户平台核对，然后确认接受。"},
	},
	AlarmStatementMissing: {
		{"A day's statement cannot be had", "Read what the provider says. It is asked for again by itself; `paybridge reconcile --date` does so at once."},
		{"无法取得某日的对账单", "请查看渠道返回的说明。系统会自动重试；也可用 `paybridge reconcile --date` 立即重试。"},
	},
	AlarmPaymentDisputed: {
		{"A payment contradicts what the provider says", "Compare it with the merchant platform. Nothing moves until a query matches, or an operator decides: `paybridge dispute resolve NUMBER --adopt` or `--refund`."},
		{"支付单与渠道的说法不一致", "请到商户平台核对这笔交易。查询结果一致之前，或由人工决定之前，状态不会改变：`paybridge dispute resolve NUMBER --adopt`（采纳）或 `--refund`（退回）。"},
	},
	AlarmPaymentAuth: {
		{"The provider refuses an account's credentials", "Check the merchant number, the API certificate and the keys of the payment's account. Payments go on by themselves once they are right."},
		{"渠道拒绝了收款账户的凭证", "请检查该收款账户的商户号、API 证书和密钥。改正后支付会自动继续。"},
	},
	AlarmProviderRejected: {
		{"The provider rejected a payment", "Read what the provider says. A wrong setting of the entry or account stops every payment through it."},
		{"渠道拒绝了一笔支付", "请查看渠道返回的说明；入口或收款账户配置有误时，经过它的支付都会被拒绝。"},
	},
	AlarmRefundAttention: {
		{"A refund cannot go on without a person", "Do what is said below: add money to the account, send an abnormal refund elsewhere by resolve-abnormal or on the merchant platform, or give the money back another way and record that by settle-outside."},
		{"退款需要人工处理", "请按下面的说明处理：给账户充值，异常退款用 resolve-abnormal 或在商户平台处理；若已用其他方式退还，请用 settle-outside 登记。"},
	},
	AlarmRefundDisputed: {
		{"A refund contradicts what the provider says", "Compare it with the merchant platform before anything is refunded again."},
		{"退款单与渠道的说法不一致", "请先到商户平台核对，再决定是否退款。"},
	},
	AlarmRefundRevived: {
		{"A refund came into effect after it had ended here", "Make sure that the payer did not get the money twice."},
		{"已结束的退款又生效了", "请确认付款人没有收到两次退款。"},
	},
	AlarmRefundExternal: {
		{"A refund was made elsewhere", "Find out who made it: on the merchant platform, or another system of the same merchant number."},
		{"有一笔退款不是从这里发起的", "请查明是谁操作的：商户平台，还是使用同一商户号的其他系统。"},
	},
	AlarmNotifyUnreadable: {
		{"The provider's messages cannot be opened", "Give the account the key that the provider encrypts with now (APIv3 key)."},
		{"渠道的回调无法解密", "请为该收款账户配置渠道当前使用的 APIv3 密钥。"},
	},
	AlarmNotifyUnmatched: {
		{"The provider told of a number that is not here", "If another system uses the merchant number, its notify URL must not be ours. Else restore or import the payment."},
		{"渠道通知了一个这里没有的单号", "若其他系统也使用该商户号，其回调地址不应指向本系统；否则请恢复或导入该支付单。"},
	},
	AlarmAccountDown: {
		{"An account does not get through to its provider", "See the reason below. Credentials have to be mended by a person; a provider that is away or slows us down comes back by itself. Payments and refunds wait and go on."},
		{"收款账户连不上渠道", "原因见下。凭证问题需要人工修正；渠道故障或限流会自行恢复。支付和退款会等待并自动继续。"},
	},
	AlarmClockOff: {
		{"This machine's clock is off", "Set the clock by NTP (chrony, systemd-timesyncd). Providers refuse requests when it is 5 minutes off."},
		{"本机时钟不准", "请用 NTP（chrony、systemd-timesyncd）校时；偏差达到 5 分钟时渠道会拒绝请求。"},
	},
	AlarmPluginStopped: {
		{"A plugin keeps exiting and is not started any more", "Read its last log lines, mend it or its account, then run `paybridge plugin restart NAME`. Payments and refunds through it wait and go on."},
		{"插件反复退出，已停止启动", "请查看它最后的日志，修复插件或其收款账户，然后执行 paybridge plugin restart 名称。经过它的支付和退款会等待并自动继续。"},
	},
	AlarmEndpointDead: {
		{"An app's webhook endpoint has been dead for days", "Bring the endpoint back, or change it in the app's settings. No event is lost: it is tried once a day, and at once by a resend."},
		{"业务系统的事件接收地址已多日不通", "请恢复该地址，或修改业务系统的 webhook 配置。事件不会丢失：每天重试一次，也可手工重发。"},
	},
	AlarmEndpointRefused: {
		{"An app's webhook endpoint is at an address that is not allowed", "Events go to public addresses only. If this one is right, add its network to webhooks.allow_networks; else correct the URL."},
		{"业务系统的事件接收地址不被允许", "事件只发往公网地址。若该地址无误，请把它的网段加入 webhooks.allow_networks；否则请改正 URL。"},
	},
	AlarmIdentityDivided: {
		{"Two users of an app are one person at WeChat", "Nothing is joined that the app keeps apart. Let the app merge its two users, or leave them as they are."},
		{"业务系统的两个用户在微信是同一个人", "业务系统分开的用户不会被合并。请由业务系统合并这两个用户，或保持现状。"},
	},
	AlarmOrderUnfulfilled: {
		{"An order is paid and was not reported as fulfilled", "Have the app say so by POST /v1/orders/NUMBER/fulfilment, or report it on the mini program's platform: WeChat keeps the money back until then."},
		{"订单已付款，但还没有上报发货", "请让业务系统调用 POST /v1/orders/单号/fulfilment，或在小程序后台录入发货信息；在此之前微信会冻结这笔货款。"},
	},
	AlarmFulfilmentStuck: {
		{"A fulfilment does not get through to WeChat", "See WeChat's words below: correct what the app said and send it again, or give the entry a secret that WeChat takes. WeChat keeps the money back until then."},
		{"发货信息未能上报给微信", "微信的说明见下：请由业务系统改正内容后重新提交，或改正入口的 AppSecret；在此之前微信会冻结这笔货款。"},
	},
	AlarmIdentityRefused: {
		{"WeChat refuses to sign payers in through an entry", "See WeChat's code below: compare the entry's app id and secret with the platform, and add this gateway's address to its list."},
		{"微信拒绝了某个入口的登录请求", "微信返回码见下：请核对入口的 AppID 和 AppSecret，并把本网关的出口 IP 加入该平台的白名单。"},
	},
}
