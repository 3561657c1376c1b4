// A map in key order: the red-black tree of std::map. Which keys a new one is compared with can be seen in errors, so
// its shape must be that of C++'s: descend from the root asking `less(key, node)`, insert red, rebalance.

class Node<K, V> {
  readonly key: K;
  readonly value: V;
  red = true;
  parent: Node<K, V> | null;
  left: Node<K, V> | null = null;
  right: Node<K, V> | null = null;
  constructor(key: K, value: V, parent: Node<K, V> | null) {
    this.key = key;
    this.value = value;
    this.parent = parent;
  }
}

export class OrderedMap<K, V> {
  private root: Node<K, V> | null = null;
  private readonly less: (a: K, b: K) => boolean;

  constructor(less: (a: K, b: K) => boolean) {
    this.less = less;
  }

  /** False where there is an equivalent key already. */
  insert(key: K, value: V): boolean {
    let parent: Node<K, V> | null = null;
    let goesLeft = true;
    /** The last node that `key` was not less than. */
    let before: Node<K, V> | null = null;
    for (let node = this.root; node !== null;) {
      parent = node;
      goesLeft = this.less(key, node.key);
      if (!goesLeft) before = node;
      node = goesLeft ? node.left : node.right;
    }
    if (before !== null && !this.less(before.key, key)) return false;
    const node = new Node(key, value, parent);
    if (parent === null) this.root = node;
    else if (goesLeft) parent.left = node;
    else parent.right = node;
    this.rebalance(node);
    return true;
  }

  /** In key order. */
  *entries(): Generator<readonly [K, V]> {
    const path: Node<K, V>[] = [];
    let node = this.root;
    while (node !== null || path.length > 0) {
      while (node !== null) {
        path.push(node);
        node = node.left;
      }
      const next = path.pop()!;
      yield [next.key, next.value];
      node = next.right;
    }
  }

  private rebalance(start: Node<K, V>): void {
    let node = start;
    while (node.parent?.red === true) {
      const parent: Node<K, V> = node.parent;
      const grandparent: Node<K, V> = parent.parent!;
      const parentIsLeft = parent === grandparent.left;
      const uncle = parentIsLeft ? grandparent.right : grandparent.left;
      if (uncle?.red === true) {
        parent.red = false;
        uncle.red = false;
        grandparent.red = true;
        node = grandparent;
        continue;
      }
      if (node === (parentIsLeft ? parent.right : parent.left)) {
        node = parent;
        this.rotate(node, parentIsLeft);
      }
      node.parent!.red = false;
      grandparent.red = true;
      this.rotate(grandparent, !parentIsLeft);
    }
    this.root!.red = false;
  }

  /** A child takes the place of `node`: the right one where `left` (a rotation to the left), else the left one. */
  private rotate(node: Node<K, V>, left: boolean): void {
    const child = (left ? node.right : node.left)!;
    const inner = left ? child.left : child.right;
    if (left) {
      node.right = inner;
      child.left = node;
    } else {
      node.left = inner;
      child.right = node;
    }
    if (inner !== null) inner.parent = node;
    child.parent = node.parent;
    if (node.parent === null) this.root = child;
    else if (node.parent.left === node) node.parent.left = child;
    else node.parent.right = child;
    node.parent = child;
  }
}
