// Shows a page's nodes, as wxml.expand made them, in a shadow root of its own. Nodes are matched by place and tag, so that a
// web-view keeps its frame and a field its text while other things change.
(function () {
  "use strict";

  const real = { view: "div", text: "span", button: "button", image: "img", input: "input", textarea: "textarea", label: "label",
    navigator: "div", "scroll-view": "div", form: "div", icon: "span", "rich-text": "div" };
  const events = { tap: "click", input: "input", change: "change", confirm: "change", blur: "blur", focus: "focus", longpress: "contextmenu" };

  // wxss is CSS but for rpx, of which 750 are the screen's width, and the element names.
  function css(text) {
    return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(-?[\d.]+)rpx/g, "calc($1 * var(--rpx))")
      .replace(/(^|[},\s])page(?=\s*[{,])/g, "$1:host");
  }

  const basics = `
    :host { --rpx: calc(100cqw / 750); display: block; min-height: 100%; background: #f6f6f3; font: 16px/1.4 -apple-system, "PingFang SC", "Noto Sans CJK SC", sans-serif; }
    * { box-sizing: border-box; }
    button { font: inherit; border: 0; border-radius: 8px; padding: .6em 1em; background: #eaeaea; color: #1d2420; cursor: pointer; min-height: 44px; }
    button[type=primary] { background: #06794a; color: #fff; }
    button:disabled { opacity: .5; }
    iframe { border: 0; position: absolute; inset: 0; width: 100%; height: 100%; background: #fff; }`;

  // createView mounts a page into the container. webView makes a web-view's frame element for a src.
  function createView(container, page, webView, log) {
    const host = document.createElement("div");
    host.className = "view";
    container.append(host);
    const root = host.attachShadow({ mode: "open" });
    const style = document.createElement("style");
    style.textContent = basics + css(page.wxss);
    const body = document.createElement("div");
    root.append(style, body);
    let shown = [];

    function make(node) {
      if (node.text !== undefined) return document.createTextNode(node.text);
      if (node.tag === "web-view") return webView(node.attributes.src, page, node.events);
      if (!real[node.tag]) log("warn", `${page.route}.wxml: <${node.tag}> is shown as a plain box`);
      const element = document.createElement(real[node.tag] || "div");
      if (element.tagName === "BUTTON") element.type = "button";
      for (const name of Object.keys(node.events)) {
        element.addEventListener(events[name] || name, (e) => {
          const now = element.wxNode.events[name];
          if (!now) return;
          if (now.stops) e.stopPropagation();
          page.dispatch(now.handler, { type: name, detail: { value: e.target.value }, currentTarget: { id: element.id, dataset: { ...element.dataset } },
            target: { id: e.target.id, dataset: { ...e.target.dataset } } });
        });
      }
      return element;
    }

    function set(element, node, before) {
      element.wxNode = node;
      const names = new Set([...Object.keys(before.attributes), ...Object.keys(node.attributes)]);
      for (const name of names) {
        const value = node.attributes[name];
        if (value === before.attributes[name]) continue;
        if (value === undefined) element.removeAttribute(name);
        else if (name === "style") element.style.cssText = css(value);
        else if (name === "value") element.value = value;
        else if (name === "type" && element.tagName === "BUTTON") element.setAttribute("type", value); // primary: for the style alone
        else if (!/^on|^(src|href|action)$/i.test(name) || name === "src") element.setAttribute(name, value);
      }
    }

    const alike = (a, b) => a && (a.text !== undefined ? b.text !== undefined : a.tag === b.tag && b.text === undefined &&
      Object.keys(a.events).join() === Object.keys(b.events).join());

    function patch(parent, before, after) {
      after.forEach((node, i) => {
        let element = parent.childNodes[i];
        if (!alike(before[i], node)) {
          const fresh = make(node);
          if (element) element.replaceWith(fresh); else parent.append(fresh);
          element = fresh;
          if (node.text !== undefined) return;
          if (node.tag !== "web-view") { set(element, node, { attributes: {} }); patch(element, [], node.children); }
        } else if (node.text !== undefined) {
          if (node.text !== before[i].text) element.data = node.text;
        } else if (node.tag === "web-view") {
          if (node.attributes.src !== before[i].attributes.src) element.replaceWith(make(node));
        } else {
          set(element, node, before[i]);
          patch(element, before[i].children, node.children);
        }
      });
      while (parent.childNodes.length > after.length) parent.lastChild.remove();
    }

    return {
      update(nodes) { patch(body, shown, nodes); shown = nodes; },
      show() { host.hidden = false; frames(true); },
      hide() { host.hidden = true; frames(false); },
      remove() { host.remove(); },
    };

    function frames(visible) {
      for (const frame of root.querySelectorAll("iframe")) frame.contentWindow.postMessage({ wxphone: "visible", visible }, "*");
    }
  }

  window.wxphone.view = { createView, css };
})();
