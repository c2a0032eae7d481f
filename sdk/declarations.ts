/**
 * The text of `gateway.d.mts`: the declarations of src/types.ts. A merchant has no `web-shared`, so each type taken
 * from there is written out.
 */
import ts from "typescript";

const VALUES =
  "export declare const GatewayCheckout: GatewayCheckoutApi;\nexport declare const PaymentGateway: PaymentGatewayConstructor;\n";
const OPTIONS: ts.CompilerOptions = {
  strict: true,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  allowImportingTsExtensions: true,
  noEmit: true,
  noLib: true,
  types: [],
};
const WRITTEN_OUT = ts.TypeFormatFlags.NoTruncation | ts.TypeFormatFlags.InTypeAlias;

export function declarations(file: string): string {
  const program = ts.createProgram([file], OPTIONS);
  const source = program.getSourceFile(file);
  if (!source) throw new Error(`${file} cannot be read`);
  const checker = program.getTypeChecker();
  let text = "";
  for (const statement of source.statements) {
    if (ts.isImportDeclaration(statement)) continue;
    text +=
      ts.isTypeAliasDeclaration(statement) && isImported(statement.type, checker)
        ? `${comment(statement, source)}export type ${statement.name.text} = ${checker.typeToString(checker.getTypeAtLocation(statement), undefined, WRITTEN_OUT)};`
        : statement.getFullText(source);
  }
  return ts.transpileDeclaration(text, { compilerOptions: { strict: true } }).outputText + VALUES;
}

/** `PublicPayment`, from another module. */
function isImported(type: ts.TypeNode, checker: ts.TypeChecker): boolean {
  const symbol = ts.isTypeReferenceNode(type) && checker.getSymbolAtLocation(type.typeName);
  return Boolean(symbol && symbol.flags & ts.SymbolFlags.Alias);
}

function comment(node: ts.Node, source: ts.SourceFile): string {
  return source.text.slice(node.getFullStart(), node.getStart(source));
}
