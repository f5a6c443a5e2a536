package doctor

import "github.com/paybridge/paybridge/ports"

// words are the remedies of what is found here, by code, in English and Chinese. The plugins bring their own.
var words = map[string][2]string{
	"quarantined": {
		"Read the plugin's last log lines, mend it or its account, then run `paybridge plugin restart NAME`.",
		"请查看插件最后的日志，修复插件或收款账户，然后执行 paybridge plugin restart 名称。",
	},
	"plugin_down": {
		"Read the plugin's log lines. It is started again by itself; when its binary changed, run `paybridge plugin lock DIR` and restart the gateway.",
		"请查看插件日志。插件会自动重启；若其二进制文件已更换，请执行 paybridge plugin lock 目录并重启网关。",
	},
	"store_away": {
		"Let the gateway reach its database; its log has the cause.",
		"请恢复数据库连接，原因见网关日志。",
	},
	"rows_overdue": {
		"The gateway falls behind: read its log and alarms, mend accounts and plugins that fail, or give it more workers or replicas.",
		"网关处理积压：请查看日志和告警，修复失败的收款账户和插件，或增加副本。",
	},
	"rows_due_too_late": {
		"A due time is in a far future: the clock was wrong when it was set. Set the clock right by NTP; a sync of each payment (POST /v1/payments/NUMBER/sync) looks at it now.",
		"有到期时间落在遥远的将来：设置时时钟有误。请用 NTP 校时，并逐笔 sync（POST /v1/payments/单号/sync）。",
	},
	"account_out_of_use": {
		"Mend what the detail says; `paybridge config check` names the file, line and key.",
		"请按详情修正；paybridge config check 会指出文件、行号和配置项。",
	},
	"account_unknown": {
		"Add the account, or correct the entry's account.",
		"请添加该收款账户，或更正入口的 account。",
	},
	"account_retired": {
		"Point the entry at an account in use, or retire the entry too.",
		"请将入口改为在用的收款账户，或将入口一并停用（retired: true）。",
	},
	"another_provider": {
		"Give entry and account the same provider.",
		"请使入口与收款账户的 provider 一致。",
	},
	"options_wrong": {
		"Correct the entry's options by its plugin's schema: `paybridge plugin inspect NAME` shows it.",
		"请按插件的 schema 修正入口的 options：paybridge plugin inspect 名称可查看 schema。",
	},
	"not_offered": {
		"The plugin has no self-test: only a small payment and its refund prove the account.",
		"该插件不支持自检：请用一笔小额支付和退款验证收款账户。",
	},
	"not_answered": {
		"Read the plugin's log lines and try again.",
		"请查看插件日志后重试。",
	},
	"app_binding_unproven": {
		"See at the provider's platform that the app id may pay to this merchant number; a small payment proves it.",
		"请在渠道的商户平台确认该 AppID 已与商户号绑定；一笔小额支付即可验证。",
	},
	"callback_missing": {
		"Let the provider reach the notify URL from outside: DNS, firewall, certificate, the proxy's path /notify/. Else the provider may have no key set to encrypt callbacks with (WeChat: the APIv3 key).",
		"请确认渠道可从公网访问通知地址：DNS、防火墙、证书、代理的 /notify/ 路径；也可能是商户尚未设置回调加密密钥（微信：APIv3 密钥）。",
	},
	"callback_refused": {
		"signature, unknown_serial: give the account the provider's key of now. unreadable: correct the key that opens callbacks (WeChat: api_v3_keys). clock: set this machine's clock by NTP.",
		"signature、unknown_serial：请为收款账户配置渠道当前的公钥；unreadable：请更正解密回调的密钥（微信：api_v3_keys）；clock：请用 NTP 校准本机时钟。",
	},
	"notify_base_not_https": {
		"Give the entry a notify_base with https.",
		"请将入口的 notify_base 改为 https 地址。",
	},
	"notify_base_wrong": {
		"Give the entry a notify_base of the form https://host, without a path.",
		"请将入口的 notify_base 写成 https://主机名，不带路径。",
	},
	"notify_base_unreachable": {
		"Mend name, certificate or proxy of notify_base. If this machine alone cannot reach its own public name, the callback's check tells.",
		"请检查 notify_base 的域名、证书和代理。若只是本机无法访问自己的公网域名，请以回调检查的结果为准。",
	},
	"notify_base_elsewhere": {
		"Let the proxy at notify_base pass /livez and /notify/ to listen.public of the gateway, or correct notify_base.",
		"请让 notify_base 处的代理将 /livez 和 /notify/ 转发到网关的 listen.public，或更正 notify_base。",
	},
	"same_keys": {
		"Nothing to do: its keys are its template's, and the callback was awaited for the account named here. To await one for this account, ask for it by name.",
		"无需处理：它使用模板的密钥，回调已随此处所列的账户一并检查。如需单独检查回调，请指定它的名称。",
	},
	"gateway_away": {
		"Start the gateway (`paybridge serve`) and ask again: only then can it be reached and called back.",
		"请先启动网关（paybridge serve）再检查：网关运行时才能验证可达性和回调。",
	},
}

func ok(subject, check, detail string) Finding {
	return Finding{Subject: subject, Check: check, Status: ports.CheckOK, Detail: detail}
}

func failed(subject, check, code, detail string) Finding {
	return Finding{subject, check, ports.CheckFailed, code, detail, words[code][0], words[code][1]}
}

func skipped(subject, check, code, detail string) Finding {
	return Finding{subject, check, ports.CheckSkipped, code, detail, words[code][0], words[code][1]}
}
