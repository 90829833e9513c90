import type ts from "typescript";
import { awaitingReports } from "./_awaited";

/**
 * Turns a source file into a function of the scope and of a module loader that returns its top-level statements, each
 * as a function. Declarations become assignments to names of the scope, so that they can be repeated and closures see
 * the newest value; promises in declarations and assignments are awaited.
 *
 *     const a = f()   →   { line: 1, names: ["a"], constant: true, async run() { return void (a = await f()) } }
 */
export const asStatements =
  (typescript: typeof ts): ts.TransformerFactory<ts.SourceFile> =>
  (context) =>
  (file) => {
    const builder = new Builder(typescript, context.factory, file);
    const importing: ts.Visitor = (node) =>
      typescript.visitEachChild(builder.dynamicImport(node), importing, context);
    const imported = typescript.visitEachChild(file, importing, context);
    const visited = typescript.visitEachChild(imported, awaitingReports(typescript, context), context);
    return context.factory.updateSourceFile(file, [builder.program(visited.statements)]);
  };

/** Parameters of the generated function: names that no input uses by chance. */
const SCOPE = "__scope";
const LOAD = "__load";

class Builder {
  constructor(
    private readonly ts: typeof import("typescript"),
    private readonly factory: ts.NodeFactory,
    private readonly file: ts.SourceFile,
  ) {}

  /**
   * `module.exports = function (scope, load) { void module; with (scope) { return [ …statements ] } }`; functions come
   * first. What is made by a statement keeps the module, by which `_closure.ts` finds its input.
   */
  program(all: readonly ts.Statement[]): ts.Statement {
    const { factory: f } = this;
    const statements = all.filter((statement) => !this.isEmpty(statement));
    const functions = statements.filter((statement) => this.ts.isFunctionDeclaration(statement));
    const others = statements.filter((statement) => !this.ts.isFunctionDeclaration(statement));
    const list = f.createArrayLiteralExpression(
      [...functions, ...others].map((statement) => this.entry(statement)),
      true,
    );
    const body = f.createWithStatement(
      f.createIdentifier(SCOPE),
      f.createBlock([f.createReturnStatement(list)], true),
    );
    const parameters = [SCOPE, LOAD].map((name) => f.createParameterDeclaration(undefined, undefined, name));
    const made = f.createFunctionExpression(
      undefined,
      undefined,
      undefined,
      undefined,
      parameters,
      undefined,
      f.createBlock(
        [f.createExpressionStatement(f.createVoidExpression(f.createIdentifier("module"))), body],
        true,
      ),
    );
    return f.createExpressionStatement(
      f.createAssignment(f.createPropertyAccessExpression(f.createIdentifier("module"), "exports"), made),
    );
  }

  /** `import(…)` uses the same loader as `import`. */
  dynamicImport(node: ts.Node): ts.Node {
    const { ts, factory: f } = this;
    const dynamic = ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword;
    if (!dynamic) return node;
    const call = f.createCallExpression(f.createIdentifier(LOAD), undefined, [
      ...node.arguments.slice(0, 1),
      f.createArrayLiteralExpression(),
    ]);
    return ts.setTextRange(call, node);
  }

  /** Statements with nothing to run: empty ones that TypeScript adds, and exports of names. */
  private isEmpty(statement: ts.Statement): boolean {
    return (
      this.ts.isEmptyStatement(statement) ||
      (this.ts.isExportDeclaration(statement) && !statement.moduleSpecifier)
    );
  }

  private entry(statement: ts.Statement): ts.Expression {
    const { factory: f } = this;
    const { names, constant = false, body } = this.translate(statement);
    const strict = f.createExpressionStatement(f.createStringLiteral("use strict"));
    const run = f.createFunctionExpression(
      [f.createModifier(this.ts.SyntaxKind.AsyncKeyword)],
      undefined,
      undefined,
      undefined,
      [],
      undefined,
      f.createBlock([strict, ...body.map((made) => this.withSourceRange(made, statement))], true),
    );
    return f.createObjectLiteralExpression([
      f.createPropertyAssignment("line", f.createNumericLiteral(this.lineOf(statement))),
      f.createPropertyAssignment(
        "names",
        f.createArrayLiteralExpression(names.map((name) => f.createStringLiteral(name))),
      ),
      f.createPropertyAssignment("constant", constant ? f.createTrue() : f.createFalse()),
      f.createPropertyAssignment("run", run),
    ]);
  }

  /** Gives generated code the source range of `statement`, for stacks. */
  private withSourceRange(made: ts.Statement, statement: ts.Statement): ts.Statement {
    const { ts } = this;
    if (made.pos >= 0) return made;
    const original = ts.getOriginalNode(statement);
    if (original.pos < 0) return made;
    return ts.setSourceMapRange(made, { pos: original.getStart(this.file), end: original.end });
  }

  private lineOf(statement: ts.Node): number {
    const original = this.ts.getOriginalNode(statement);
    const start = original.pos < 0 ? 0 : original.getStart(this.file);
    return this.ts.getLineAndCharacterOfPosition(this.file, start).line + 1;
  }

  private translate(statement: ts.Statement): { names: string[]; constant?: boolean; body: ts.Statement[] } {
    const { ts, factory: f } = this;
    if (ts.isImportDeclaration(statement)) return this.importing(statement);
    if (ts.isExportDeclaration(statement) && statement.moduleSpecifier) {
      return { names: [], body: [f.createExpressionStatement(this.loading(statement.moduleSpecifier, []))] };
    }
    if (ts.isExportAssignment(statement))
      return { names: [], body: [f.createReturnStatement(statement.expression)] };
    if (ts.isVariableStatement(statement)) return this.declaring(statement.declarationList);
    if (ts.isFunctionDeclaration(statement)) {
      const made = f.createFunctionExpression(
        statement.modifiers?.filter((modifier) => modifier.kind === ts.SyntaxKind.AsyncKeyword),
        statement.asteriskToken,
        undefined,
        undefined,
        statement.parameters,
        undefined,
        statement.body ?? f.createBlock([]),
      );
      return this.named(statement, made);
    }
    if (ts.isClassDeclaration(statement)) {
      const made = f.createClassExpression(
        undefined,
        statement.name,
        undefined,
        statement.heritageClauses,
        statement.members,
      );
      return this.named(statement, made);
    }
    if (ts.isExpressionStatement(statement)) return this.expression(statement.expression);
    return { names: [], body: [statement] };
  }

  /** An anonymous `export default` is a value like any other. */
  private named(statement: ts.FunctionDeclaration | ts.ClassDeclaration, made: ts.Expression) {
    const { factory: f } = this;
    return statement.name
      ? {
          names: [statement.name.text],
          body: [f.createExpressionStatement(f.createAssignment(statement.name, made))],
        }
      : { names: [], body: [f.createReturnStatement(f.createParenthesizedExpression(made))] };
  }

  /** `x = …` creates the variable if it does not exist, as in other REPLs. */
  private expression(expression: ts.Expression) {
    const { ts, factory: f } = this;
    const assigns =
      ts.isBinaryExpression(expression) &&
      expression.operatorToken.kind === ts.SyntaxKind.EqualsToken &&
      ts.isIdentifier(expression.left);
    if (!assigns || !ts.isIdentifier(expression.left))
      return { names: [], body: [f.createReturnStatement(expression)] };
    const assignment = f.createAssignment(expression.left, this.awaited(expression.right));
    return { names: [`=${expression.left.text}`], body: [f.createReturnStatement(assignment)] };
  }

  private declaring(list: ts.VariableDeclarationList) {
    const { ts, factory: f } = this;
    const names = list.declarations.flatMap(({ name }) => this.namesIn(name));
    const assignments = list.declarations.map(({ name, initializer }) => {
      const value = initializer ? this.awaited(initializer) : f.createVoidZero();
      return ts.isIdentifier(name)
        ? f.createAssignment(name, value)
        : f.createParenthesizedExpression(f.createAssignment(this.pattern(name), value));
    });
    return {
      names,
      constant: (list.flags & ts.NodeFlags.Const) !== 0,
      body: assignments.map((assignment) => f.createExpressionStatement(assignment)),
    };
  }

  /** Not for functions and classes: they take their name from the assignment, which an `await` would hide. */
  private awaited(value: ts.Expression): ts.Expression {
    const { ts, factory: f } = this;
    const naming = ts.isArrowFunction(value) || ts.isFunctionExpression(value) || ts.isClassExpression(value);
    return naming ? value : f.createAwaitExpression(f.createParenthesizedExpression(value));
  }

  private namesIn(name: ts.BindingName): string[] {
    if (this.ts.isIdentifier(name)) return [name.text];
    return name.elements.flatMap((element) =>
      this.ts.isOmittedExpression(element) ? [] : this.namesIn(element.name),
    );
  }

  /** Converts a declaration pattern to an assignment pattern. */
  private pattern(name: ts.BindingName): ts.Expression {
    const { ts, factory: f } = this;
    if (ts.isIdentifier(name)) return name;
    if (ts.isArrayBindingPattern(name)) {
      return f.createArrayLiteralExpression(
        name.elements.map((element) => {
          if (ts.isOmittedExpression(element)) return element;
          const target = this.pattern(element.name);
          if (element.dotDotDotToken) return f.createSpreadElement(target);
          return element.initializer ? f.createAssignment(target, element.initializer) : target;
        }),
      );
    }
    return f.createObjectLiteralExpression(
      name.elements.map((element) => {
        const target = this.pattern(element.name);
        if (element.dotDotDotToken) return f.createSpreadAssignment(target);
        const key = element.propertyName ?? (element.name as ts.Identifier);
        return f.createPropertyAssignment(
          key,
          element.initializer ? f.createAssignment(target, element.initializer) : target,
        );
      }),
    );
  }

  private importing({ importClause, moduleSpecifier }: ts.ImportDeclaration) {
    const { ts, factory: f } = this;
    const bindings = importClause?.namedBindings;
    const elements = bindings && ts.isNamedImports(bindings) ? bindings.elements : [];
    const wanted: [string, ts.Identifier][] = [
      ...(importClause?.name ? [["default", importClause.name] as [string, ts.Identifier]] : []),
      ...elements.map((element): [string, ts.Identifier] => [
        (element.propertyName ?? element.name).text,
        element.name,
      ]),
    ];
    const namespace = bindings && ts.isNamespaceImport(bindings) ? bindings.name : undefined;
    const loaded = f.createUniqueName("loaded");
    const body = [
      f.createVariableStatement(
        undefined,
        f.createVariableDeclarationList(
          [
            f.createVariableDeclaration(
              loaded,
              undefined,
              undefined,
              this.loading(
                moduleSpecifier,
                wanted.map(([name]) => name),
              ),
            ),
          ],
          ts.NodeFlags.Const,
        ),
      ),
      ...(namespace ? [f.createExpressionStatement(f.createAssignment(namespace, loaded))] : []),
      ...wanted.map(([name, local]) =>
        f.createExpressionStatement(
          f.createAssignment(local, f.createElementAccessExpression(loaded, f.createStringLiteral(name))),
        ),
      ),
    ];
    return {
      names: [...(namespace ? [namespace.text] : []), ...wanted.map(([, local]) => local.text)],
      constant: true,
      body,
    };
  }

  private loading(specifier: ts.Expression, names: readonly string[]): ts.Expression {
    const { factory: f } = this;
    const list = f.createArrayLiteralExpression(names.map((name) => f.createStringLiteral(name)));
    return f.createAwaitExpression(
      f.createCallExpression(f.createIdentifier(LOAD), undefined, [specifier, list]),
    );
  }
}
