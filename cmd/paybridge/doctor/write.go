package doctor

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/paybridge/paybridge/ports"
)

// Write tells a report to a person: each subject, each check, and below what is not ok what to do.
func (r Report) Write(out io.Writer, chinese bool) error {
	say := english
	if chinese {
		say = mandarin
	}
	var b strings.Builder
	if !r.Gateway {
		b.WriteString(say.alone + "\n")
	}
	subject, wrong := "", 0
	for _, f := range bySubject(slices.Clone(r.Findings)) {
		if f.Subject != subject {
			subject = f.Subject
			kind, name, _ := strings.Cut(subject, " ")
			b.WriteString("\n" + strings.TrimSpace(say.kinds[kind]+" "+name) + "\n")
		}
		check := f.Check
		if f.Code != "" {
			check += " (" + f.Code + ")"
		}
		fmt.Fprintf(&b, "  %s  %s", say.status[f.Status], check)
		if f.Detail != "" {
			b.WriteString(": " + f.Detail)
		}
		b.WriteString("\n")
		if f.Status == ports.CheckFailed {
			wrong++
		}
		if remedy := f.remedy(chinese); f.Status != ports.CheckOK && remedy != "" {
			b.WriteString("      → " + remedy + "\n")
		}
	}
	b.WriteString("\n")
	switch {
	case len(r.Findings) == 0:
		b.WriteString(say.nothing)
	case wrong == 0:
		b.WriteString(say.healthy)
	default:
		fmt.Fprintf(&b, say.wrong, wrong)
	}
	_, err := io.WriteString(out, b.String()+"\n")
	return err
}

// bySubject keeps what is said of a subject together, in the order in which subjects and findings came: a self-test tells
// of an account and of its entries by turns.
func bySubject(all []Finding) []Finding {
	first := map[string]int{}
	for i, f := range all {
		if _, there := first[f.Subject]; !there {
			first[f.Subject] = i
		}
	}
	slices.SortStableFunc(all, func(a, b Finding) int { return cmp.Compare(first[a.Subject], first[b.Subject]) })
	return all
}

// remedy falls back to English: a plugin may have no Chinese.
func (f Finding) remedy(chinese bool) string {
	if chinese && f.RemedyZH != "" {
		return f.RemedyZH
	}
	return f.Remedy
}

// phrases are what a report says around its findings.
type phrases struct {
	kinds                          map[string]string
	status                         map[ports.CheckStatus]string
	alone, nothing, healthy, wrong string
}

var (
	english = phrases{
		kinds:   map[string]string{"plugin": "Plugin", "account": "Account", "entry": "Entry", "store": "Database"},
		status:  map[ports.CheckStatus]string{ports.CheckOK: "ok     ", ports.CheckFailed: "FAILED ", ports.CheckSkipped: "unknown"},
		alone:   "No gateway runs: the configuration's accounts and entries are looked at, and callbacks are not.",
		nothing: "There is no account and no entry yet.",
		healthy: "Nothing is wrong, as far as can be known without a payment.",
		wrong:   "%d checks failed.",
	}
	mandarin = phrases{
		kinds:   map[string]string{"plugin": "插件", "account": "收款账户", "entry": "入口", "store": "数据库"},
		status:  map[ports.CheckStatus]string{ports.CheckOK: "正常", ports.CheckFailed: "失败", ports.CheckSkipped: "未知"},
		alone:   "网关未运行：只检查配置文件中的收款账户和入口，不检查回调。",
		nothing: "还没有收款账户和入口。",
		healthy: "在不发起支付的前提下，未发现问题。",
		wrong:   "有 %d 项检查失败。",
	}
)
