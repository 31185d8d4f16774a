"""Components without a subject of their own: icons, buttons, notices, skeletons."""
