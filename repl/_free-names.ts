/** What the text of a function refers to. Loaded in the compiler's process only. */
import typescript from "typescript";

/** The names that a function does not declare itself. */
export interface FreeNames {
  /** From where V8 counts a function as beginning: the characters before that. */
  readonly before: number;
  readonly names: readonly string[];
  /** Those among them that it assigns. */
  readonly assigned: readonly string[];
  /** What it takes from the code around it without a name: "this", "super", "arguments", "new.target". */
  readonly taken: readonly string[];
}

const FILE = "/function.js";

/** Undefined when `text` is not a function expression, such as that of a method, or of a class. */
export function freeNames(text: string): FreeNames | undefined {
  // As a module, in which `module` and `exports` are names like others.
  const { file, checker } = checked(`(${text}\n);export {};`);
  const { parseDiagnostics } = file as typescript.SourceFile & {
    readonly parseDiagnostics: readonly unknown[];
  };
  const [statement, ...more] = file.statements;
  if (!statement || more.length > 1 || parseDiagnostics.length > 0) return undefined;
  if (!typescript.isExpressionStatement(statement)) return undefined;
  const found = typescript.isParenthesizedExpression(statement.expression)
    ? statement.expression.expression
    : undefined;
  if (!found || !(typescript.isArrowFunction(found) || typescript.isFunctionExpression(found)))
    return undefined;
  const free = identifiers(found).filter((each) => isReference(each) && !isDeclared(each, checker));
  const namesOf = (all: readonly typescript.Identifier[]) => [...new Set(all.map((each) => each.text))];
  return {
    before: typescript.isArrowFunction(found) ? 0 : found.parameters.pos - 2,
    names: namesOf(free).filter((name) => name !== "arguments"),
    assigned: namesOf(free.filter(isAssigned)),
    taken: [...new Set(takenBy(found))],
  };
}

function checked(text: string) {
  const file = typescript.createSourceFile(
    FILE,
    text,
    typescript.ScriptTarget.Latest,
    true,
    typescript.ScriptKind.JS,
  );
  const host: typescript.CompilerHost = {
    getSourceFile: (name) => (name === FILE ? file : undefined),
    getDefaultLibFileName: () => "/lib.d.ts",
    writeFile: () => {},
    getCurrentDirectory: () => "/",
    getCanonicalFileName: (name) => name,
    useCaseSensitiveFileNames: () => true,
    getNewLine: () => "\n",
    fileExists: (name) => name === FILE,
    readFile: () => undefined,
  };
  const options = { allowJs: true, noLib: true, noResolve: true, types: [] };
  const program = typescript.createProgram([FILE], { ...options, target: file.languageVersion }, host);
  return { file, checker: program.getTypeChecker() };
}

const childrenOf = (node: typescript.Node): typescript.Node[] => {
  const children: typescript.Node[] = [];
  typescript.forEachChild(node, (child) => void children.push(child));
  return children;
};

const identifiers = (node: typescript.Node): typescript.Identifier[] =>
  typescript.isIdentifier(node) ? [node] : childrenOf(node).flatMap(identifiers);

/** Whether it is looked up as a variable: not a member, a key or a label. */
function isReference(node: typescript.Identifier): boolean {
  const { parent } = node;
  const isKey =
    typescript.isPropertyAccessExpression(parent) ||
    typescript.isPropertyAssignment(parent) ||
    typescript.isMethodDeclaration(parent) ||
    typescript.isAccessor(parent) ||
    typescript.isPropertyDeclaration(parent) ||
    typescript.isMetaProperty(parent);
  if (isKey) return parent.name !== node;
  const { label, propertyName } = parent as {
    readonly label?: typescript.Node;
    readonly propertyName?: typescript.Node;
  };
  return label !== node && propertyName !== node;
}

function isDeclared(node: typescript.Identifier, checker: typescript.TypeChecker): boolean {
  const symbol = typescript.isShorthandPropertyAssignment(node.parent)
    ? checker.getShorthandAssignmentValueSymbol(node.parent)
    : checker.getSymbolAtLocation(node);
  return (symbol?.declarations ?? []).length > 0;
}

/** Whether it is, or is in the pattern of, the left side of an assignment, or is counted up or down. */
function isAssigned(node: typescript.Node): boolean {
  const { parent } = node;
  if (typescript.isPrefixUnaryExpression(parent) || typescript.isPostfixUnaryExpression(parent))
    return COUNTING.has(parent.operator);
  if (typescript.isBinaryExpression(parent) && parent.left === node) {
    const { kind } = parent.operatorToken;
    const { FirstAssignment, LastAssignment } = typescript.SyntaxKind;
    return kind >= FirstAssignment && kind <= LastAssignment;
  }
  if (typescript.isForInStatement(parent) || typescript.isForOfStatement(parent))
    return parent.initializer === node;
  if (typescript.isPropertyAssignment(parent) && parent.initializer !== node) return false;
  const isPattern =
    typescript.isArrayLiteralExpression(parent) ||
    typescript.isObjectLiteralExpression(parent) ||
    typescript.isPropertyAssignment(parent) ||
    typescript.isShorthandPropertyAssignment(parent) ||
    typescript.isSpreadElement(parent) ||
    typescript.isSpreadAssignment(parent) ||
    typescript.isParenthesizedExpression(parent);
  return isPattern && isAssigned(parent);
}

const COUNTING: ReadonlySet<typescript.SyntaxKind> = new Set([
  typescript.SyntaxKind.PlusPlusToken,
  typescript.SyntaxKind.MinusMinusToken,
]);

/** Functions other than arrows, and classes, have their own, and a function that is called alone has no `this` that is of use. */
function takenBy(root: typescript.ArrowFunction | typescript.FunctionExpression): string[] {
  const visit = (node: typescript.Node): string[] => {
    if (node.kind === typescript.SyntaxKind.ThisKeyword) return ["this"];
    if (node.kind === typescript.SyntaxKind.SuperKeyword) return ["super"];
    if (typescript.isMetaProperty(node)) return isArrow ? ["new.target"] : [];
    if (typescript.isIdentifier(node))
      return isArrow && node.text === "arguments" && isReference(node) ? ["arguments"] : [];
    const ends = typescript.isClassLike(node)
      ? true
      : typescript.isFunctionLike(node) && !typescript.isArrowFunction(node);
    return ends ? [] : childrenOf(node).flatMap(visit);
  };
  const isArrow = typescript.isArrowFunction(root);
  return childrenOf(root).flatMap(visit);
}
