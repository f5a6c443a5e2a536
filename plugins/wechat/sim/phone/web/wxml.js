// WXML without a DOM: parse makes a template of a page's source, expand makes a plain tree of it and the page's data.
// A subset: wx:if, wx:elif, wx:else, wx:for, <block>, {{ }}, bind and catch. What is outside of it is an error that names
// the place, never a guess. No eval: expressions are parsed and walked.
(function (root, make) {
  if (typeof module === "object" && module.exports) module.exports = make();
  else (root.wxphone = root.wxphone || {}).wxml = make();
})(typeof globalThis === "undefined" ? this : globalThis, function () {
  "use strict";

  class WxmlError extends Error {
    constructor(file, source, at, message) {
      const line = source.slice(0, at).split("\n").length;
      super(`${file}:${line}: ${message}`);
      this.name = "WxmlError";
    }
  }

  // ---- expressions: JavaScript's operators without assignment, calls and new

  const binary = [["||"], ["&&"], ["===", "!==", "==", "!="], ["<=", ">=", "<", ">"], ["+", "-"], ["*", "/", "%"]];
  const token = /\s*(?:(\d+(?:\.\d+)?)|([A-Za-z_$][\w$]*)|("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(\.\.\.|===|!==|==|!=|<=|>=|&&|\|\||[-+*/%<>!?:.,()[\]{}]))/y;
  const escapes = { n: "\n", t: "\t", r: "\r" };

  function tokens(text, fail) {
    const list = [];
    for (token.lastIndex = 0; token.lastIndex < text.trimEnd().length;) {
      const at = token.lastIndex;
      const m = token.exec(text);
      if (!m) fail(`cannot read the expression at "${text.slice(at)}"`);
      if (m[1] !== undefined) list.push({ kind: "value", value: Number(m[1]) });
      else if (m[2] !== undefined) list.push({ kind: "name", value: m[2] });
      else if (m[3] !== undefined) list.push({ kind: "value", value: m[3].slice(1, -1).replace(/\\(.)/g, (_, c) => escapes[c] || c) });
      else list.push({ kind: "sign", value: m[4] });
    }
    return list;
  }

  const words = { true: true, false: false, null: null, undefined: undefined };

  // expression parses to a function of a scope. Members of null are undefined, as in WeChat.
  function expression(text, fail) {
    const list = tokens(text, fail);
    let at = 0;
    const is = (sign) => at < list.length && list[at].kind === "sign" && list[at].value === sign;
    const take = (sign) => is(sign) && ++at > 0;
    const want = (sign) => take(sign) || fail(`"${sign}" is missing in {{${text}}}`);

    function ternary() {
      const test = operator(0);
      if (!take("?")) return test;
      const yes = ternary();
      want(":");
      const no = ternary();
      return (s) => (test(s) ? yes(s) : no(s));
    }
    function operator(level) {
      if (level === binary.length) return unary();
      let left = operator(level + 1);
      for (;;) {
        const sign = binary[level].find(is);
        if (!sign) return left;
        at++;
        left = apply(sign, left, operator(level + 1));
      }
    }
    function unary() {
      if (take("!")) { const of = unary(); return (s) => !of(s); }
      if (take("-")) { const of = unary(); return (s) => -of(s); }
      if (take("+")) { const of = unary(); return (s) => +of(s); }
      return member(primary());
    }
    function member(of) {
      for (;;) {
        if (take(".")) {
          const name = list[at++];
          if (!name || name.kind !== "name") fail(`a name is missing after "." in {{${text}}}`);
          of = get(of, () => name.value);
        } else if (take("[")) {
          const key = ternary();
          want("]");
          of = get(of, key);
        } else if (is("(")) fail(`{{${text}}} calls a function, which WXML cannot`);
        else return of;
      }
    }
    function primary() {
      const t = list[at++];
      if (!t) fail(`{{${text}}} ends too early`);
      if (t.kind === "value") return () => t.value;
      if (t.kind === "name") return Object.hasOwn(words, t.value) ? () => words[t.value] : (s) => lookUp(s, t.value);
      if (t.value === "(") { const of = ternary(); want(")"); return of; }
      if (t.value === "[") {
        const items = [];
        while (!take("]")) { items.push(ternary()); if (!is("]")) want(","); }
        return (s) => items.map((item) => item(s));
      }
      return fail(`"${t.value}" is not expected in {{${text}}}`);
    }
    const whole = ternary();
    if (at < list.length) fail(`"${list[at].value}" is not expected in {{${text}}}`);
    return whole;
  }

  function apply(sign, a, b) {
    switch (sign) {
      case "||": return (s) => a(s) || b(s);
      case "&&": return (s) => a(s) && b(s);
      case "===": return (s) => a(s) === b(s);
      case "!==": return (s) => a(s) !== b(s);
      case "==": return (s) => a(s) == b(s); // eslint-disable-line eqeqeq -- WXML's own operator
      case "!=": return (s) => a(s) != b(s); // eslint-disable-line eqeqeq
      case "<=": return (s) => a(s) <= b(s);
      case ">=": return (s) => a(s) >= b(s);
      case "<": return (s) => a(s) < b(s);
      case ">": return (s) => a(s) > b(s);
      case "+": return (s) => a(s) + b(s);
      case "-": return (s) => a(s) - b(s);
      case "*": return (s) => a(s) * b(s);
      case "/": return (s) => a(s) / b(s);
      default: return (s) => a(s) % b(s);
    }
  }

  function get(of, key) {
    return (s) => {
      const object = of(s);
      if (object === null || object === undefined) return undefined;
      const name = key(s);
      return typeof object !== "object" || Object.hasOwn(object, name) || name === "length" ? object[name] : undefined;
    };
  }

  function lookUp(scope, name) {
    for (let s = scope; s; s = s.outer) if (Object.hasOwn(s.data, name)) return s.data[name];
    return undefined;
  }

  // text compiles what may hold {{ }}. One expression alone keeps its type; else it is a string.
  function text(source, fail) {
    const parts = [];
    let rest = source;
    for (;;) {
      const open = rest.indexOf("{{");
      if (open < 0) break;
      const close = rest.indexOf("}}", open);
      if (close < 0) fail(`"{{" is never closed in "${source}"`);
      if (open > 0) { const before = rest.slice(0, open); parts.push(() => before); }
      const inside = expression(rest.slice(open + 2, close), fail);
      parts.push(inside);
      rest = rest.slice(close + 2);
    }
    if (parts.length === 0) return () => source;
    if (parts.length === 1 && rest === "" && source.trimStart().startsWith("{{")) return parts[0];
    const end = rest;
    return (s) => parts.map((p) => shown(p(s))).join("") + end;
  }

  const shown = (value) => (value === null || value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value));

  // ---- markup: neither HTML nor XML

  const entities = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'", nbsp: "\u00a0" };
  const decoded = (s) => s.replace(/&(lt|gt|amp|quot|apos|nbsp);/g, (_, name) => entities[name]);

  function parse(source, file) {
    const top = { tag: "", attributes: {}, children: [] };
    const open = [top];
    let at = 0;
    const failAt = (where) => (message) => { throw new WxmlError(file, source, where, message); };
    while (at < source.length) {
      const parent = open[open.length - 1];
      if (source.startsWith("<!--", at)) {
        const end = source.indexOf("-->", at);
        if (end < 0) failAt(at)("a comment is never closed");
        at = end + 3;
      } else if (source.startsWith("</", at)) {
        const m = /^<\/([\w-]+)\s*>/.exec(source.slice(at));
        if (!m || m[1] !== parent.tag) failAt(at)(`</${m ? m[1] : "…"}> closes ${parent.tag ? `<${parent.tag}>` : "nothing"}`);
        open.pop();
        at += m[0].length;
      } else if (source[at] === "<" && /[a-z]/i.test(source[at + 1] || "")) {
        const { node, end, closed } = element(source, at, failAt);
        parent.children.push(node);
        if (!closed) open.push(node);
        at = end;
      } else {
        let end = source.indexOf("<", at + 1);
        while (end > 0 && !/[a-z/!]/i.test(source[end + 1] || "")) end = source.indexOf("<", end + 1); // {{a < b}}
        if (end < 0) end = source.length;
        const raw = source.slice(at, end);
        if (raw.trim()) parent.children.push({ text: text(decoded(raw.trim()), failAt(at)) });
        at = end;
      }
    }
    if (open.length > 1) failAt(source.length)(`<${open[open.length - 1].tag}> is never closed`);
    chain(top, failAt);
    return top;
  }

  const outside = ["template", "import", "include", "wxs", "slot"];
  const attribute = /\s*([A-Za-z_][\w:.-]*)(?:\s*=\s*("[^"]*"|'[^']*'))?/y;

  function element(source, at, failAt) {
    const tag = /^<([\w-]+)/.exec(source.slice(at, at + 80))[1];
    if (outside.includes(tag)) failAt(at)(`<${tag}> is outside of what the simulated phone renders`);
    const node = { tag, attributes: {}, events: {}, children: [], control: {}, at };
    let end = at + 1 + tag.length;
    for (;;) {
      const close = /^\s*(\/?)>/.exec(source.slice(end));
      if (close) return { node, end: end + close[0].length, closed: close[1] === "/" };
      attribute.lastIndex = end;
      const m = attribute.exec(source);
      if (!m) failAt(end)(`<${tag}> has an attribute that cannot be read`);
      end = attribute.lastIndex;
      const name = m[1];
      const value = m[2] === undefined ? "{{true}}" : decoded(m[2].slice(1, -1));
      const event = /^(?:bind|catch):?(\w+)$/.exec(name);
      if (event) node.events[event[1]] = { handler: text(value, failAt(end)), stops: name.startsWith("catch") };
      else if (name === "wx:for-item" || name === "wx:for-index" || name === "wx:key") node.control[name.slice(3)] = value;
      else if (/^wx:(if|elif|for|else)$/.test(name)) node.control[name.slice(3)] = name === "wx:else" ? true : text(value, failAt(end));
      else if (name.startsWith("wx:") || name.startsWith("model:")) failAt(end)(`${name} is outside of what the simulated phone renders`);
      else node.attributes[name] = text(value, failAt(end));
    }
  }

  // chain ties wx:elif and wx:else to the wx:if before them.
  function chain(node, failAt) {
    let before = null;
    for (const child of node.children) {
      if (child.text) { before = null; continue; }
      const c = child.control;
      if (c.elif || c.else) {
        if (!before) failAt(child.at)("wx:elif or wx:else without a wx:if before it");
        c.after = before;
      }
      before = c.if || c.elif ? child : null;
      chain(child, failAt);
    }
  }

  // ---- expansion: {tag, attributes, events, children} and {text}, all plain values

  function expand(template, data) {
    return inside(template.children, { data, outer: null });
  }

  function inside(nodes, scope) {
    const out = [];
    const taken = new Map(); // of this pass: whether a wx:if or wx:elif of a chain held
    for (const node of nodes) {
      if (node.text) { out.push({ text: shown(node.text(scope)) }); continue; }
      const c = node.control;
      if (c.for) { out.push(...each(node, scope)); continue; }
      if (c.if || c.elif || c.else) {
        const earlier = c.after ? taken.get(c.after) : false;
        const holds = !earlier && (c.else === true || Boolean((c.if || c.elif)(scope)));
        taken.set(node, earlier || holds);
        if (!holds) continue;
      }
      out.push(...one(node, scope));
    }
    return out;
  }

  function each(node, scope) {
    const list = node.control.for(scope);
    const entries = Array.isArray(list) ? list.map((item, i) => [i, item])
      : typeof list === "number" ? Array.from({ length: list }, (_, i) => [i, i])
      : list && typeof list === "object" ? Object.entries(list) : [];
    const out = [];
    for (const [index, item] of entries) {
      const data = { [node.control["for-item"] || "item"]: item, [node.control["for-index"] || "index"]: index };
      const here = { data, outer: scope };
      if (node.control.if && !node.control.if(here)) continue;
      out.push(...one(node, here));
    }
    return out;
  }

  function one(node, scope) {
    if (node.tag === "block") return inside(node.children, scope);
    const made = { tag: node.tag, attributes: {}, events: {}, children: inside(node.children, scope) };
    for (const [name, value] of Object.entries(node.attributes)) {
      const v = value(scope);
      if (v !== undefined && v !== null && v !== false) made.attributes[name] = v === true ? "" : shown(v);
    }
    for (const [name, { handler, stops }] of Object.entries(node.events)) {
      made.events[name] = { handler: shown(handler(scope)), stops };
    }
    return [made];
  }

  // texts is all that a reader would see, for tests and for screen readers of the phone's log.
  function texts(nodes) {
    return nodes.flatMap((n) => (n.text !== undefined ? [n.text] : texts(n.children)));
  }

  return { parse, expand, texts, WxmlError };
});
