// Makes pages nicer that work without it. Nothing is kept: no storage, no requests to others.
// Each module finds its elements by a data- attribute. The build joins them in this order.

import "./focus.js";
import "./tabs.js";
import "./menus.js";
import "./theme.js";
import "./times.js";
import "./slug.js";
import "./shows.js";
import "./lifetime.js";
import "./filter.js";
import "./sets.js";
import "./summary.js";
import "./pick.js";
import "./once.js";
import "./confirm.js";
import "./copy.js";
import "./copy_text.js";
import "./env.js";
import "./reveal.js";
import "./values.js";
import "./search.js";
