package main

import "strings"

// kind is what a row is called.
func (t teller) kind(kind string) string {
	return t.words(kind, inChinese(kind, map[string]string{"order": "订单", "payment": "支付单", "refund": "退款单", "fulfilment": "发货"}))
}

// state is what a state is called.
func (t teller) state(state string) string {
	return t.words(state, inChinese(state, chineseStates))
}

var chineseStates = map[string]string{
	"open": "待支付", "closing": "关闭中", "closed": "已关闭", "paid": "已支付", "partially_refunded": "部分退款", "refunded": "已退款",
	"created": "已创建", "pending": "支付中", "failed": "失败", "succeeded": "成功", "processing": "处理中", "settled_outside": "已用其他方式退还",
	"awaited": "待发货", "reporting": "上报中", "reported": "已上报", "refused": "被拒绝", "not_needed": "无需上报",
}

func inChinese(word string, words map[string]string) string {
	if chinese, ok := words[word]; ok {
		return chinese
	}
	return word
}

// cause is why something happened, as the audit has it. In Chinese its beginning is translated; what follows are numbers, names and the
// provider's own words.
func (t teller) cause(cause string) string {
	if !t.chinese {
		return cause
	}
	best := chineseCause{}
	for _, c := range chineseCauses {
		if strings.HasPrefix(cause, c.begins) && len(c.begins) > len(best.begins) {
			best = c
		}
	}
	return best.chinese + sources.Replace(strings.TrimPrefix(cause, best.begins))
}

// sources are where facts came from, and who decided.
var sources = strings.NewReplacer("(create)", "（下单应答）", "(query)", "（查询）", "(close)", "（关单应答）", "(notification)", "（回调）", "(by ", "（操作人 ")

type chineseCause struct{ begins, chinese string }

var chineseCauses = []chineseCause{
	{"made by ", "由业务系统创建："},
	{"made for entry ", "经入口创建："},
	{"made (api)", "业务系统申请"},
	{"made (duplicate)", "重复支付，自动退款"},
	{"made (late)", "订单关闭后到账，自动退款"},
	{"made (incomplete)", "部分未成功，退回已收部分"},
	{"made (disputed)", "有争议，由人工退回"},
	{"made (external)", "在别处发起的退款"},
	{"accepted by the provider", "渠道已受理"},
	{"paid ", "已支付"},
	{"payment ", "由支付单支付："},
	{"the order is paid by ", "订单已由另一支付单支付："},
	{"create: ", "下单："},
	{"query: ", "查询："},
	{"close: ", "关单："},
	{"report: ", "上报："},
	{"sent again", "再次发送"},
	{"sent", "已发送"},
	{"closed by the app", "由业务系统关闭"},
	{"closed by an operator", "由人工关闭"},
	{"closed by app", "由业务系统关闭"},
	{"closed by operator", "由人工关闭"},
	{"closed by expired", "已过期，自动关闭"},
	{"its order closes", "订单关闭"},
	{"its authorization has expired", "医保授权已过期"},
	{"another attempt takes its place", "由另一次支付取代"},
	{"closed at the provider", "渠道已关闭"},
	{"closed by the provider", "被渠道关闭"},
	{"closed by ", "关闭原因："},
	{"made (", "创建（"},
	{"the app fulfilled it: ", "业务系统已发货："},
	{"the provider has it after all ", "渠道其实有此单"},
	{"failed at the provider", "渠道失败"},
	{"found unpaid and not renewable", "未支付，且不能再次下单"},
	{"found payable after it was closed here", "在本地关闭之后仍可支付"},
	{"nobody can pay it any more", "已无法支付"},
	{"the provider does not know it: sent again under the same number", "渠道无此单：以同一单号再次发送"},
	{"the provider does not know it", "渠道无此单"},
	{"a query confirms that the provider does not know it", "查询确认渠道无此单"},
	{"the provider says ", "渠道的说法无法判定："},
	{"the provider sent a message that decides nothing: it is asked", "渠道的回调无法判定，改为查询"},
	{"the dispute is over: a query agrees", "争议结束：查询结果一致"},
	{"disputed: ", "有争议："},
	{"adopted by ", "人工采纳："},
	{"given back by ", "人工退回："},
	{"a part was paid after it was closed here", "在本地关闭之后，有一部分已支付"},
	{"a part was paid after the payment had failed", "支付失败之后，有一部分已支付"},
	{"a part failed; what is still payable of it is closed first", "有一部分失败，先关闭仍可支付的部分"},
	{"a part moved ", "有一部分状态变化"},
	{"succeeded ", "成功"},
	{"abnormal at the provider ", "渠道报告退款异常"},
	{"abnormal refund: ", "异常退款："},
	{"at the provider it is ", "渠道状态："},
	{"to be sent to ", "将退往："},
	{"settled outside by ", "已用其他方式退还，登记人："},
	{"what is left of the payment no longer covers it", "支付单余额不足"},
	{"the bureau refunded the insurance part", "医保部分已由医保局退回"},
	{"the app cancels the insurance part", "业务系统取消医保部分的退款"},
	{"recovered: it was made by this reference", "已找回：由同一业务退款单号发起"},
	{"made anew: its row was lost", "数据丢失后按微信的记录重建"},
	{"retried", "重试"},
	{"the statement tells its amount: ", "对账单给出金额："},
	{"the app corrects it: ", "业务系统更正："},
	{"reported to WeChat", "已上报微信"},
	{"refunded, says WeChat", "微信称已退款"},
	{"refused by WeChat: ", "被微信拒绝："},
	{"the money went back", "款项已退回"},
	{"not reported in time", "未按时上报"},
	{"expected by ", "应在此之前上报："},
	{"%d of %s went back", "已退回"},
}
