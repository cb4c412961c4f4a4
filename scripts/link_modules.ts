/**
 * TypeScript modules as one script for a browser. Each is stripped of its types and becomes a function that
 * returns what it exports, so only exported names share a scope: one that two files export is refused, and
 * so is any import or export but of names as they are. Pure.
 */
import ts from "typescript";

const OPTIONS: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ESNext,
  verbatimModuleSyntax: true,
  removeComments: true,
};

/**
 * `entry` and all that it imports, in the order in which they have to run. `read` gives a module's source
 * by its name as imports have it: `./words.ts`. @throws {Error} where something can't be linked.
 */
export function linkModules(
  entry: string,
  read: (name: string) => string,
): string {
  const linker = new Linker(read);
  linker.add(entry, []);
  return linker.texts.join("");
}

class Linker {
  readonly texts: string[] = [];
  readonly #read: (name: string) => string;
  readonly #done = new Set<string>();
  /** Which file exports a name. */
  readonly #owners = new Map<string, string>();

  constructor(read: (name: string) => string) {
    this.#read = read;
  }

  add(name: string, importers: readonly string[]): void {
    if (importers.includes(name)) {
      throw new Error(`${name} imports itself, by way of others`);
    }
    if (this.#done.has(name)) return;
    this.#done.add(name);
    const script = ts.transpileModule(this.#read(name), { compilerOptions: OPTIONS })
      .outputText;
    const parsed = ts.createSourceFile(
      name,
      script,
      ts.ScriptTarget.ES2022,
      false,
    );
    const kept: string[] = [];
    const exported: string[] = [];
    for (const statement of parsed.statements) {
      if (ts.isImportDeclaration(statement)) {
        this.add(importedFrom(name, statement), [...importers, name]);
      } else if (!ts.isExportDeclaration(statement) || !isEmpty(statement)) {
        const text = script.slice(statement.getFullStart(), statement.end).trim();
        const plain = withoutExport(name, statement, text);
        if (plain !== text) exported.push(...declaredBy(statement));
        kept.push(plain);
      }
    }
    for (const one of exported) this.#own(name, one);
    const names = exported.join(", ");
    const body = `(() => {\n${kept.join("\n")}\n`;
    this.texts.push(
      exported.length === 0
        ? `${body}})();\n`
        : `const { ${names} } = ${body}return { ${names} };\n})();\n`,
    );
  }

  #own(name: string, exported: string): void {
    const owner = this.#owners.get(exported);
    if (owner !== undefined) throw new Error(`${exported} is exported by ${owner} and ${name}`);
    this.#owners.set(exported, name);
  }
}

/** The file of `import { a, b } from "./file.ts"`. */
function importedFrom(
  name: string,
  { importClause, moduleSpecifier }: ts.ImportDeclaration,
) {
  const bindings = importClause?.namedBindings;
  const isPlain = importClause?.name === undefined && bindings !== undefined &&
    ts.isNamedImports(bindings) &&
    bindings.elements.every(({ propertyName }) => propertyName === undefined);
  const from = (moduleSpecifier as ts.StringLiteral).text;
  if (!isPlain || !/^\.\/\w+\.ts$/.test(from)) {
    throw new Error(
      `${name}: only import { names } from "./file.ts" can be linked, not ${from}`,
    );
  }
  return from;
}

/** `export {}`, which is left of a module without exports. */
function isEmpty({ exportClause }: ts.ExportDeclaration): boolean {
  return exportClause !== undefined && ts.isNamedExports(exportClause) &&
    exportClause.elements.length === 0;
}

function declaredBy(statement: ts.Statement): string[] {
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.flatMap(({ name }) =>
      ts.isIdentifier(name) ? [name.text] : []
    );
  }
  const isNamed = ts.isFunctionDeclaration(statement) ||
    ts.isClassDeclaration(statement);
  return isNamed && statement.name !== undefined ? [statement.name.text] : [];
}

function withoutExport(name: string, statement: ts.Statement, text: string): string {
  if (ts.isExportDeclaration(statement) || ts.isExportAssignment(statement)) {
    throw new Error(`${name}: only declarations can be exported, not: ${text}`);
  }
  if (/^export default\b/.test(text)) throw new Error(`${name}: export default can't be linked`);
  return text.replace(/^export /, "");
}
