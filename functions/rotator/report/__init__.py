"""Records, inventories and plans as people and machines read them. Pure: values in, rows and JSON trees out.

`records`: where an order stands. `fleet`: what is out there. `plan`: what a rotation would do. `form`: how times look and what
every tree begins with.
"""
