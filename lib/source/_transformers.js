"use strict";
/** TypeScript transformers that collect and rewrite the imports of a module. */
const ts = require("typescript");

/**
 * Turns `import("./x")` into `Promise.resolve().then(() => require("./x"))`: Node's own `import()` does not use our
 * module graph and would load a second copy.
 */
function keepImportsInGraph(context) {
  const { factory } = context;
  const visit = (node) => {
    const specifier = isImport(node) ? specifierOf(node) : undefined;
    if (specifier === undefined || !/^(\.|consfigurator(\/|$))/.test(specifier)) {
      return ts.visitEachChild(node, visit, context);
    }
    const required = factory.createCallExpression(factory.createIdentifier("require"), undefined, [
      factory.createStringLiteral(specifier.replace(/(?<=^\..*)\.tsx?$/, ".js")),
    ]);
    const resolved = factory.createCallExpression(
      factory.createPropertyAccessExpression(factory.createIdentifier("Promise"), "resolve"),
      undefined,
      [],
    );
    const then = factory.createArrowFunction(undefined, undefined, [], undefined, undefined, required);
    const call = factory.createCallExpression(
      factory.createPropertyAccessExpression(resolved, "then"),
      undefined,
      [then],
    );
    return ts.setTextRange(ts.setOriginalNode(call, node), node);
  };
  return (file) => ts.visitNode(file, visit);
}

/**
 * Puts the imports of the compiled module, each with its source position, into `collected.imports`, and the first
 * construct that CommonJS does not allow into `collected.refused`.
 */
function collectImports(collected) {
  return (context) => (file) => {
    const position = (node) => {
      const original = ts.getOriginalNode(node);
      if (original.pos < 0 || original.kind === ts.SyntaxKind.SourceFile) return undefined;
      const { line, character } = file.getLineAndCharacterOfPosition(original.getStart(file));
      return { line: line + 1, column: character + 1 };
    };
    const walk = (node, outer, lazy, tried) => {
      const here = position(node) ?? outer;
      const specifier = isRequire(node) || isImport(node) ? specifierOf(node) : undefined;
      if (specifier !== undefined) {
        collected.imports.push({
          specifier,
          ...here,
          lazy,
          dynamic: isImport(node),
          ...(tried && { tried }),
        });
      }
      const reason = reasonToRefuse(node);
      if (reason !== undefined) collected.refused ??= { reason, ...here };
      const inside = lazy || ts.isFunctionLike(node);
      return ts.visitEachChild(
        node,
        (child) => walk(child, here, inside, tried || (ts.isTryStatement(node) && child === node.tryBlock)),
        context,
      );
    };
    return walk(file, { line: 1, column: 1 }, false, false);
  };
}

/** Why `node` is not allowed in a module that is compiled to CommonJS. */
const reasonToRefuse = (node) =>
  ts.isMetaProperty(node) && node.keywordToken === ts.SyntaxKind.ImportKeyword
    ? "of import.meta, only url, dirname and filename are available: this file is compiled to CommonJS"
    : undefined;

const isImport = (node) => ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword;
const isRequire = (node) =>
  ts.isCallExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === "require";

function specifierOf({ arguments: [specifier, ...rest] }) {
  return specifier && rest.length === 0 && ts.isStringLiteralLike(specifier) ? specifier.text : undefined;
}

module.exports = { collectImports, keepImportsInGraph };
