"use strict";
/** Collects what a module needs, at run time, besides its imports, and what only some places of a consfig may use. */
const ts = require("typescript");

/**
 * Fills `traits` with, each with its position in the source: `awaits`, the first top-level await; `files`, the files beside
 * the source that it names by a literal; `unfit`, what does not work in an executable.
 */
function collectTraits(traits) {
  return () => (file) => {
    const here = (node) => {
      const { line, character } = file.getLineAndCharacterOfPosition(node.getStart(file));
      return { line: line + 1, column: character + 1 };
    };
    const walk = (node, isInFunction) => {
      if (!isInFunction && isAwait(node)) traits.awaits ??= here(node);
      const named = namedFile(node, file);
      if (named) traits[named.path === undefined ? "unfit" : "files"].push({ ...named, ...here(node) });
      const reason = unfitReason(node, file);
      if (reason) traits.unfit.push({ reason, ...here(node) });
      ts.forEachChild(node, (child) => walk(child, isInFunction || ts.isFunctionLike(node)));
    };
    walk(file, false);
    return ts.visitNode(file, (each) => each);
  };
}

const isAwait = (node) =>
  ts.isAwaitExpression(node) || (ts.isForOfStatement(node) && node.awaitModifier !== undefined);

/** `import.meta.NAME`; without `name`, any. */
const isOfMeta = (node, name) =>
  ts.isPropertyAccessExpression(node) &&
  ts.isMetaProperty(node.expression) &&
  (name === undefined || node.name.text === name);

const isDirectory = (node) =>
  node !== undefined && ((ts.isIdentifier(node) && node.text === "__dirname") || isOfMeta(node, "dirname"));

const textOf = (node) => (node && ts.isStringLiteralLike(node) ? node.text : undefined);

const nameOf = (node) =>
  ts.isIdentifier(node) ? node.text : ts.isPropertyAccessExpression(node) ? node.name.text : undefined;

/** The file that `node` names relative to its own source: its `path`, or the `reason` why that is not known. */
function namedFile(node, file) {
  if (ts.isNewExpression(node) && nameOf(node.expression) === "URL") {
    const [path, base] = node.arguments ?? [];
    if (!base || !isOfMeta(base, "url")) return undefined;
    return found(textOf(path), node, file);
  }
  if (ts.isCallExpression(node) && /^(join|resolve)$/.test(nameOf(node.expression) ?? "")) {
    const [base, ...rest] = node.arguments;
    if (!isDirectory(base) || rest.length === 0) return undefined;
    const texts = rest.map(textOf);
    const end = texts.indexOf(undefined);
    const literal = end < 0 ? texts : texts.slice(0, end);
    // What follows is inside the directory that the literals name.
    const named = literal.some((text) => !/^\.{0,2}$/.test(text)) ? literal.join("/") : undefined;
    return found(named, node, file);
  }
  if (
    ts.isTemplateExpression(node) &&
    node.head.text === "" &&
    isDirectory(node.templateSpans[0].expression)
  ) {
    const [{ literal }] = node.templateSpans;
    const rest = node.templateSpans.length === 1 ? literal.text : literal.text.replace(/[^/]*$/, "");
    return found(rest.replace(/^\/+/, "") || undefined, node, file);
  }
  if (
    ts.isBinaryExpression(node) &&
    node.operatorToken.kind === ts.SyntaxKind.PlusToken &&
    isDirectory(node.left)
  )
    return found(textOf(node.right)?.replace(/^\/+/, ""), node, file);
  return undefined;
}

function found(path, node, file) {
  if (path !== undefined) return { path };
  const reason = `${shown(node, file)} names a file that is known only when the code runs; only files named by a literal, such as join(__dirname, "page.html"), are sent with it`;
  return { reason };
}

const shown = (node, file) => {
  const text = node.getText(file).replaceAll(/\s+/g, " ");
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
};

function unfitReason(node, file) {
  if (ts.isNewExpression(node) && nameOf(node.expression) === "Worker")
    return "a worker thread loads a module of its own, which an executable does not contain; use a process of its own, with a further imageDumped";
  if (!ts.isCallExpression(node)) return undefined;
  const callee = node.expression;
  if (nameOf(callee) === "createRequire")
    return "createRequire loads what an executable does not contain; import the module by its name";
  const isImport = callee.kind === ts.SyntaxKind.ImportKeyword;
  if (!isImport && !(ts.isIdentifier(callee) && callee.text === "require")) return undefined;
  const [specifier] = node.arguments;
  if (!specifier || textOf(specifier) !== undefined) return undefined;
  return `${shown(node, file)} loads a module that is known only when the code runs; an executable contains the modules that are named by a literal`;
}

/** Replaces `import.meta.url`, `dirname` and `filename` by what CommonJS has. */
function replaceImportMeta(context) {
  const { factory } = context;
  const url = (name) =>
    factory.createPropertyAccessExpression(
      factory.createCallExpression(
        factory.createPropertyAccessExpression(
          factory.createCallExpression(factory.createIdentifier("require"), undefined, [
            factory.createStringLiteral("node:url"),
          ]),
          "pathToFileURL",
        ),
        undefined,
        [factory.createIdentifier(name)],
      ),
      "href",
    );
  const replacements = {
    url: () => url("__filename"),
    dirname: () => factory.createIdentifier("__dirname"),
    filename: () => factory.createIdentifier("__filename"),
  };
  const visit = (node) => {
    const replaced = isOfMeta(node) ? replacements[node.name.text]?.() : undefined;
    return replaced
      ? ts.setTextRange(ts.setOriginalNode(replaced, node), node)
      : ts.visitEachChild(node, visit, context);
  };
  return (file) => ts.visitNode(file, visit);
}

module.exports = { collectTraits, replaceImportMeta };
