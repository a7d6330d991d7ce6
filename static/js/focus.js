// A form that came back with mistakes: the list of them has the focus, so that it is read first.

document.querySelector("[data-focus]")?.focus();
