// Renews the overview every two seconds; keeps what a person opened open; says when the server does not answer.
(() => {
  "use strict";
  const PERIOD_MS = 2000;
  const TIMEOUT_MS = 10000;
  const overview = document.getElementById("overview");
  const lost = document.getElementById("lost");
  const opened = () => new Set([...overview.querySelectorAll("details[open]")].map((d) => d.dataset.key));

  async function renew() {
    if (!document.hidden && !overview.contains(selectedNode())) {
      try {
        const address = new URL("/fragment", location.origin);
        address.searchParams.set("lang", overview.dataset.lang);
        const answer = await fetch(address, { signal: AbortSignal.timeout(TIMEOUT_MS) });
        // The session has ended: the page leads to where one comes in.
        if (answer.status === 401) return location.reload();
        if (!answer.ok) throw new Error(String(answer.status));
        const html = await answer.text();
        const keep = opened();
        overview.innerHTML = html;
        for (const d of overview.querySelectorAll("details")) d.open = keep.has(d.dataset.key);
        lost.hidden = true;
      } catch {
        lost.hidden = false;
      }
    }
    setTimeout(renew, PERIOD_MS);
  }

  // While a person has text selected, to copy it, the page holds still.
  function selectedNode() {
    const selection = getSelection();
    return selection && !selection.isCollapsed ? selection.anchorNode : null;
  }

  setTimeout(renew, PERIOD_MS);
})();
