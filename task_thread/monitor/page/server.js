// Questions and orders to the server. What it refuses is an Error that says why.

export async function ask(path, query = {}) {
  const said = Object.entries(query).filter(([, value]) => value !== "");
  const text = new URLSearchParams(said).toString();
  return read(await reach(text ? `${path}?${text}` : path));
}

let offer = null;  // whether there are actions, and the token for them

export async function actions() {
  offer ??= ask("api/actions").catch((error) => { offer = null; throw error; });
  return (await offer).actions;
}

// POST `data`. With a token that is no longer good, of a server that was restarted, once more.
export async function order(path, data) {
  for (let n = 0; ; n += 1) {
    await actions();
    const { token } = await offer;
    const response = await reach(path, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Task-Thread-Token": token },
      body: JSON.stringify(data),
    });
    if (response.status !== 403 || n > 0) return read(response);
    offer = null;
  }
}

async function reach(path, options = {}) {
  try {
    return await fetch(path, { cache: "no-store", ...options });
  } catch {
    throw new Error("The server can't be reached.");
  }
}

async function read(response) {
  if (response.ok) return response.json();
  const text = (await response.text()).trim();
  throw new Error(text || `The server answered ${response.status}.`);
}
