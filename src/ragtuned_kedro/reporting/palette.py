"""The colours that pictures and tables share; readable on light and on dark ground."""

# Observable's categorical ten without its grey, then three that stay apart from them.
COMMUNITY_COLOURS = (
    "#4269d0",
    "#efb118",
    "#ff725c",
    "#6cc5b0",
    "#3ca951",
    "#ff8ab7",
    "#a463f2",
    "#97bbf5",
    "#9c6b4e",
    "#1794a5",
    "#c9517a",
    "#8a9a3a",
)
NO_COMMUNITY = "#9498a0"
TRAINING = "#4269d0"
VALIDATION = "#ff725c"
EDGE = "rgba(140,146,160,0.45)"
