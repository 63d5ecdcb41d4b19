/* The reach curve: how certain an audience is by its size, with a handle for the cut. What it draws comes with the
   value (agent/page/ask/reach.py); while the handle is dragged nothing is asked of the server, and when it is let go
   the event 'release' brings the share to keep. */

const HEIGHT = 236, LEFT = 52, RIGHT = 46, TOP = 14, BOTTOM = 34, SVG = 'http://www.w3.org/2000/svg';
const KEYS = {ArrowLeft: -0.005, ArrowDown: -0.005, ArrowRight: 0.005, ArrowUp: 0.005, PageDown: -0.05, PageUp: 0.05};
const SETTLED_MS = 350;
let share = 0, held = false, settling = null;

const whole = number => Math.round(number).toLocaleString('en-US');
const told = name => document.querySelectorAll(`#headline [data-live=${name}]`);

function make(name, attributes, parent, text) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    parent.append(made);
    return made;
}

function steps(most, about) {
    const rough = most / about, power = 10 ** Math.floor(Math.log10(rough || 1));
    const step = [1, 2, 5, 10].map(each => each * power).find(each => each >= rough);
    return Array.from({length: Math.floor(most / step) + 1}, (_, number) => number * step);
}

function between(points, users, key) {
    const after = points.findIndex(each => each.users >= users);
    if (after <= 0) return points[after === 0 ? 0 : points.length - 1][key];
    const [a, b] = [points[after - 1], points[after]];
    return a[key] + (b[key] - a[key]) * (users - a.users) / (b.users - a.users);
}

function nearest(points, users) {
    return points.reduce((best, each) => Math.abs(each.users - users) < Math.abs(best.users - users) ? each : best);
}

function draw() {
    const shown = props.value, stage = element.querySelector('.reach');
    if (!stage) return;
    if (!held) stage.replaceChildren();
    if (!shown || !shown.points.length || held) return;
    share = shown.share;
    const width = Math.max(280, stage.clientWidth), points = shown.points;
    const highest = 1.1 * Math.max(...points.map(each => each.high), shown.average);
    const x = users => LEFT + (width - LEFT - RIGHT) * users / shown.eligible;
    const y = part => TOP + (HEIGHT - TOP - BOTTOM) * (1 - part / highest);
    const svg = make('svg', {viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: 'group',
        'aria-label': shown.called}, stage);
    for (const part of steps(100 * highest, 4)) {
        make('line', {class: 'grid', x1: LEFT, x2: width - RIGHT, y1: y(part / 100), y2: y(part / 100)}, svg);
        make('text', {class: 'tick', x: LEFT - 8, y: y(part / 100) + 4, 'text-anchor': 'end'}, svg, `${part} %`);
        if (shown.average) make('text', {class: 'tick', x: width - RIGHT + 8, y: y(part / 100) + 4}, svg,
            `${(part / 100 / shown.average).toFixed(1)} ×`);
    }
    for (const users of steps(shown.eligible, width < 500 ? 3 : 6))
        make('text', {class: 'tick', x: x(users), y: HEIGHT - BOTTOM + 18, 'text-anchor': 'middle'}, svg, whole(users));
    make('text', {class: 'axis', x: width - RIGHT, y: HEIGHT - 2, 'text-anchor': 'end'}, svg, shown.across);
    const line = key => points.map(each => `${x(each.users)},${y(each[key])}`);
    make('polygon', {class: 'band', points: [...line('low'), ...line('high').reverse()].join(' ')}, svg);
    make('line', {class: 'average', x1: LEFT, x2: width - RIGHT, y1: y(shown.average), y2: y(shown.average)}, svg);
    make('text', {class: 'axis', x: width - RIGHT - 4, y: y(shown.average) - 5, 'text-anchor': 'end'}, svg, shown.everyone);
    make('polyline', {class: 'expected', points: line('mid').join(' ')}, svg);
    const hit = make('rect', {class: 'hit', x: LEFT, y: TOP, width: width - LEFT - RIGHT, height: HEIGHT - TOP - BOTTOM}, svg);
    const kept = make('rect', {class: 'kept', x: LEFT, y: TOP, height: HEIGHT - TOP - BOTTOM, width: 0}, svg);
    const handle = make('g', {class: 'handle', role: 'slider', tabindex: 0, 'aria-label': shown.handle,
        'aria-valuemin': 1, 'aria-valuemax': shown.eligible}, svg);
    const rule = make('line', {y1: TOP, y2: HEIGHT - BOTTOM}, handle), dot = make('circle', {r: 9}, handle);

    function put(part) {
        const users = Math.min(shown.eligible, Math.max(1, Math.round(part * shown.eligible)));
        share = users / shown.eligible;  // of whole users, so that nobody rounds it another way
        const at = x(users), near = nearest(points, users);
        rule.setAttribute('x1', at);
        rule.setAttribute('x2', at);
        dot.setAttribute('cx', at);
        dot.setAttribute('cy', y(between(points, users, 'mid')));
        kept.setAttribute('width', Math.max(0, at - LEFT));
        handle.setAttribute('aria-valuenow', users);
        handle.setAttribute('aria-valuetext', `${whole(users)} ${shown.across}`);
        return {users, near};
    }

    function count({users, near}) {
        told('users').forEach(each => each.textContent = whole(users));
        for (const key of ['expected', 'range', 'lift', 'part'])
            told(key).forEach(each => each.textContent = near.told[key]);
        told('kept').forEach(each => each.textContent = `${(100 * share).toFixed(1)} %`);
        const field = document.querySelector('#users input');
        if (field) field.value = users;
    }

    const of = event => {
        const box = svg.getBoundingClientRect();
        return ((event.clientX - box.left) * width / box.width - LEFT) / (width - LEFT - RIGHT);
    };
    const settle = () => { held = false; trigger('release', {share}); };
    const begin = event => {
        event.preventDefault();
        held = true;
        handle.focus({preventScroll: true});
        svg.setPointerCapture(event.pointerId);
        count(put(of(event)));
    };
    hit.addEventListener('pointerdown', begin);
    kept.addEventListener('pointerdown', begin);
    handle.addEventListener('pointerdown', begin);
    svg.addEventListener('pointermove', event => { if (held) count(put(of(event))); });
    svg.addEventListener('pointerup', () => { if (held) settle(); });
    svg.addEventListener('pointercancel', () => { held = false; draw(); });
    handle.addEventListener('keydown', event => {
        const by = event.key === 'Home' ? -1 : event.key === 'End' ? 1 : KEYS[event.key];
        if (by === undefined) return;
        event.preventDefault();
        const least = Math.sign(by) / shown.eligible;
        count(put(share + (Math.abs(by) < Math.abs(least) ? least : by)));
        clearTimeout(settling);
        settling = setTimeout(settle, SETTLED_MS);
    });
    put(share);
}

watch('value', draw);
new ResizeObserver(draw).observe(element);
draw();
