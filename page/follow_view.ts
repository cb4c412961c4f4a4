/** Who follows whom, as a picture: the servers on a circle, an arrow from each follower to its leader. */
import { colourOf, drawing, setAttributes } from "./dom.ts";
import { followSentence, ROLE_WORDS, type ShownServer } from "./model.ts";

const WIDTH = 260;
const HEIGHT = 240;
const NODE_RADIUS = 24;
const RADIUS_X = 82;
const RADIUS_Y = 70;

export class FollowView {
  readonly #svg: SVGElement;
  #drawn = "";

  constructor(root: HTMLElement) {
    this.#svg = drawing("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
    root.append(this.#svg);
  }

  show(servers: readonly ShownServer[]): void {
    const drawn = JSON.stringify(servers.map(({ id, role, followsId }) => [id, role, followsId]));
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    const points = new Map(servers.map(({ id }, at) => [id, pointOf(at, servers.length)] as const));
    const arrows = servers.flatMap(({ id, followsId }) => {
      const [from, to] = [points.get(id), points.get(followsId)];
      return from === undefined || to === undefined ? [] : [arrow(from, to)];
    });
    this.#svg.replaceChildren(...arrows, ...servers.map((one) => node(one, points.get(one.id)!)));
    const roles = servers.map(({ id, role }) => `Server ${id}: ${ROLE_WORDS[role]}.`).join(" ");
    setAttributes(this.#svg, { "aria-label": `${followSentence(servers)} ${roles}` });
  }
}

interface Point {
  readonly x: number;
  readonly y: number;
}

/** The first one is on top. */
function pointOf(at: number, size: number): Point {
  if (size === 1) return { x: WIDTH / 2, y: HEIGHT / 2 };
  const angle = 2 * Math.PI * at / size - Math.PI / 2;
  const y = HEIGHT / 2 + RADIUS_Y * Math.sin(angle);
  return { x: WIDTH / 2 + RADIUS_X * Math.cos(angle), y };
}

/** Between the edges of two nodes; its head is drawn at `to`. */
function arrow(from: Point, to: Point): SVGElement {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const length = Math.hypot(dx, dy);
  const [ux, uy] = [dx / length, dy / length];
  const start = { x: from.x + ux * (NODE_RADIUS + 3), y: from.y + uy * (NODE_RADIUS + 3) };
  const end = { x: to.x - ux * (NODE_RADIUS + 5), y: to.y - uy * (NODE_RADIUS + 5) };
  const [backX, backY] = [end.x - ux * 10, end.y - uy * 10];
  const head = `M${end.x} ${end.y}L${backX - uy * 5} ${backY + ux * 5}` +
    `L${backX + uy * 5} ${backY - ux * 5}Z`;
  return drawing(
    "g",
    { class: "arrow" },
    drawing("path", {
      class: "shaft",
      d: `M${start.x} ${start.y}L${backX} ${backY}`,
    }),
    drawing("path", { class: "head", d: head }),
  );
}

function node({ id, place, role }: ShownServer, { x, y }: Point): SVGElement {
  const label = drawing("text", { class: "nodeid", x: `${x}`, y: `${y + 6}` });
  label.textContent = `${id}`;
  // Outside of the circle of nodes, where no arrows are.
  const wordY = y < HEIGHT / 2 ? y - NODE_RADIUS - 8 : y + NODE_RADIUS + 19;
  const word = drawing("text", { class: "noderole", x: `${x}`, y: `${wordY}` });
  word.textContent = ROLE_WORDS[role];
  const circle = drawing("circle", { cx: `${x}`, cy: `${y}`, r: `${NODE_RADIUS}` });
  return drawing("g", { class: `node ${colourOf(place)}`, "data-role": role }, circle, label, word);
}
