"""A page on which a network is seen at work, in any browser and with nothing installed.

`operations` reads a network, `page` writes it with images and code into one HTML file. Of the code,
`network.js` computes, `picture.js` prepares what is drawn or photographed in `drawing.js`,
`number.js` says where a number comes from, `tours.js` has the guided tours, and `page.js` joins it.
"""
