import type ts from "typescript";

/** Members of a report that a promise does not have. */
const REPORT_MEMBERS = new Set([
  "changed",
  "deployment",
  "failed",
  "failure",
  "host",
  "ms",
  "ok",
  "reports",
  "skipped",
  "status",
  "steps",
]);

/**
 * `deploy(web1).changed` → `(await deploy(web1)).changed`: outside of functions, reading a member of a report awaits
 * the deployment first.
 */
export function awaitingReports(typescript: typeof ts, context: ts.TransformationContext): ts.Visitor {
  const { factory: f } = context;
  const visit: ts.Visitor = (node) => {
    if (typescript.isFunctionLike(node) || typescript.isClassLike(node)) return node;
    const visited = typescript.visitEachChild(node, visit, context);
    const readsReport =
      typescript.isPropertyAccessExpression(visited) &&
      !visited.questionDotToken &&
      typescript.isCallExpression(visited.expression) &&
      REPORT_MEMBERS.has(visited.name.text);
    if (!readsReport) return visited;
    const awaited = f.createParenthesizedExpression(f.createAwaitExpression(visited.expression));
    return typescript.setTextRange(f.createPropertyAccessExpression(awaited, visited.name), visited);
  };
  return visit;
}
