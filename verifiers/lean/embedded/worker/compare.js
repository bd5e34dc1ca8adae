// Compares two exported statements as kernel expressions. Pure data in, a sentence or null out.
//
// Equal means: the same term up to names of bound variables, binder annotations and names of universe parameters, where
// a constant that is not in the library must be declared alike on both sides, and so on down. Definitions and theorems may
// differ in name (Lean names a `match`, or a proof inside a term, after the theorem it first occurs in), theorems in
// their proofs, too; types, constructors, axioms and opaques may not.
'use strict';

const MAY_BE_RENAMED = new Set(['definition', 'theorem']);

/**
 * A comparison of two exports: `difference()` is null if the candidate's theorem states what the reference's target
 * does, else what differs; `headerAxiom(name)` says whether the candidate's axiom is one that the problem declares.
 */
exports.comparison = (reference, candidate) => {
  const sides = [reference, candidate].map((side) => {
    const byName = new Map();
    const names = side.names.map((_, i) => nameKey(side.names, i));
    for (const d of side.declarations) {
      byName.set(d.n, { d, role: d.k });
      for (const [i, t] of (d.types || []).entries()) {
        byName.set(t.n, { d, role: 'inductive', i });
        for (const c of t.c) byName.set(c.n, { d, role: 'constructor' });
      }
    }
    return { ...side, keys: names, byName };
  });
  const [r, c] = sides;
  const settled = new Map(); // pairs of declarations already found (or assumed, while in progress) alike

  function alikeTerms(x, y, xParameters, yParameters) {
    if (xParameters.length !== yParameters.length) return false;
    const level = (a, b) => {
      const p = r.levels[a], q = c.levels[b];
      if (p[0] !== q[0]) return false;
      switch (p[0]) {
        case '0': return true;
        case 'p': {
          const i = xParameters.indexOf(p[1]);
          return i >= 0 && i === yParameters.indexOf(q[1]);
        }
        default: return p.slice(1).every((_, i) => level(p[i + 1], q[i + 1]));
      }
    };
    const seen = new Set();
    const stack = [[x, y]];
    while (stack.length) {
      const [a, b] = stack.pop();
      const pair = a * c.exprs.length + b;
      if (seen.has(pair)) continue;
      seen.add(pair);
      const p = r.exprs[a], q = c.exprs[b];
      if (p[0] !== q[0]) return false;
      switch (p[0]) {
        case 'v': case 'n': case 'x':
          if (p[1] !== q[1]) return false;
          break;
        case 's':
          if (!level(p[1], q[1])) return false;
          break;
        case 'c':
          if (!alikeConstants(p[1], q[1])) return false;
          if (p[2].length !== q[2].length || !p[2].every((l, i) => level(l, q[2][i]))) return false;
          break;
        case 'a':
          stack.push([p[1], q[1]], [p[2], q[2]]);
          break;
        case 'l': case 'p':
          stack.push([p[2], q[2]], [p[3], q[3]]);
          break;
        case 't':
          stack.push([p[2], q[2]], [p[3], q[3]], [p[4], q[4]]);
          break;
        case 'j':
          if (p[2] !== q[2] || !alikeConstants(p[1], q[1])) return false;
          stack.push([p[3], q[3]]);
          break;
        default:
          return false;
      }
    }
    return true;
  }

  function alikeConstants(a, b) {
    const left = r.byName.get(a), right = c.byName.get(b);
    const sameName = r.keys[a] === c.keys[b];
    if (!left || !right) {
      // A recursor or a projection of a declared type has no record of its own, a library constant none at all: then
      // the name decides, and the type they belong to occurs in every use of them.
      return !left && !right && sameName && alikeParents(a, b);
    }
    if (left.role !== right.role || !(sameName || MAY_BE_RENAMED.has(left.role))) return false;
    const id = `${a} ${b}`;
    if (!settled.has(id)) {
      settled.set(id, true);
      settled.set(id, alikeDeclarations(left.d, right.d));
    }
    return settled.get(id);
  }
  /** For `T.rec` and the like: T, where it is declared, must be declared alike on both sides. */
  function alikeParents(a, b) {
    for (let i = a, j = b; i && j; i = r.names[i][0], j = c.names[j][0]) {
      const left = r.byName.get(i), right = c.byName.get(j);
      if (!left !== !right) return false;
      if (left && left.role === 'inductive') return alikeConstants(i, j);
    }
    return true;
  }

  function alikeDeclarations(d, e) {
    if (d.k !== e.k) return false;
    if (d.k !== 'inductive') {
      if (!alikeTerms(d.t, e.t, d.l, e.l)) return false;
      return d.k === 'axiom' || d.k === 'theorem' || alikeTerms(d.v, e.v, d.l, e.l);
    }
    if (d.p !== e.p || d.types.length !== e.types.length) return false;
    return d.types.every((t, i) => {
      const u = e.types[i];
      return (
        r.keys[t.n] === c.keys[u.n] &&
        alikeTerms(t.t, u.t, t.l, u.l) &&
        t.c.length === u.c.length &&
        t.c.every((x, j) => r.keys[x.n] === c.keys[u.c[j].n] && alikeTerms(x.t, u.c[j].t, x.l, u.c[j].l))
      );
    });
  }

  const difference = () => {
    const proof = c.byName.get(c.target.n);
    if (!proof || proof.role !== 'theorem') return 'not a theorem';
    if (r.keys[r.target.n] !== c.keys[c.target.n]) return 'another name';
    const alike = alikeTerms(r.target.t, proof.d.t, r.target.l, proof.d.l);
    return alike ? null : 'the theorem states something else';
  };
  const headerAxiom = (n) => {
    for (const [m, { role }] of r.byName)
      if (role === 'axiom' && r.keys[m] === c.keys[n]) return alikeConstants(m, n);
    return false;
  };
  return { difference, headerAxiom };
};

function nameKey(names, index) {
  const parts = [];
  for (let i = index; i; i = names[i][0]) {
    const c = names[i][1];
    parts.push(typeof c === 'string' ? JSON.stringify(c) : c.n);
  }
  return parts.reverse().join('.');
}
exports.nameKey = nameKey;
