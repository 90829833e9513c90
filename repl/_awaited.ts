import type ts from "typescript";

/** What a report has, and the promise of one has not. */
const OF_REPORTS = new Set([
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
 * `deploy(web1).changed` → `(await deploy(web1)).changed`: where no function stands around it, a deployment is waited for
 * before its report is asked for something.
 */
export function awaitingReports(typescript: typeof ts, context: ts.TransformationContext): ts.Visitor {
  const { factory: f } = context;
  const visit: ts.Visitor = (node) => {
    if (typescript.isFunctionLike(node) || typescript.isClassLike(node)) return node;
    const visited = typescript.visitEachChild(node, visit, context);
    const isAsked =
      typescript.isPropertyAccessExpression(visited) &&
      !visited.questionDotToken &&
      typescript.isCallExpression(visited.expression) &&
      OF_REPORTS.has(visited.name.text);
    if (!isAsked) return visited;
    const awaited = f.createParenthesizedExpression(f.createAwaitExpression(visited.expression));
    return typescript.setTextRange(f.createPropertyAccessExpression(awaited, visited.name), visited);
  };
  return visit;
}
