// The little of a document that the pure modules make: elements with a class and text, nothing that lays out.

class FakeNode {
  children = [];
  dataset = {};
  attributes = {};
  style = { setProperty: (name, value) => this.setAttribute(name, value) };

  constructor(tag, text = "") {
    this.tag = tag;
    this.text = text;
  }

  get className() {
    return this.attributes.class ?? "";
  }

  get textContent() {
    return this.tag === "#text" ? this.text : this.children.map((child) => child.textContent).join("");
  }

  setAttribute(name, value) {
    this.attributes[name] = String(value);
  }

  append(...children) {
    this.children.push(...children);
  }
}

Object.assign(globalThis, {
  Node: FakeNode,
  document: {
    createElement: (tag) => new FakeNode(tag),
    createElementNS: (_namespace, tag) => new FakeNode(tag),
    createTextNode: (text) => new FakeNode("#text", text),
    getElementById: (id) => Object.assign(new FakeNode("div"), { id, addEventListener() {} }),
  },
});
